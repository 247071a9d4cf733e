// The filter panel of the browsable API sends what was filled in: the API refuses empty parameters.
document.querySelector("#filtersModal form")?.addEventListener("submit", (event) => {
  for (const field of event.target.elements) field.disabled = field.name !== "" && field.value === "";
});
