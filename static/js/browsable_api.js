// The forms of the browsable API send what a person changed, and no more. An empty parameter of a
// filter is an error; and a photo's time is not to become somebody's word because a form repeats it.
function isUntouched(field) {
  if (field.type === "checkbox") return false;
  if (field.options) return [...field.options].every((each) => each.selected === each.defaultSelected);
  return field.value === (field.type === "file" ? "" : field.defaultValue);
}

function leaveOut(event) {
  const form = event.target;
  const isFilter = form.closest("#filtersModal") !== null;
  if (!isFilter && form.id !== "patch-object-form") return;
  for (const field of [...form.elements]) {
    if (field.name) field.disabled = isFilter ? field.value === "" : isUntouched(field);
    if (!isFilter && field.type === "checkbox" && field.defaultChecked && !field.checked) {
      // A box that is not ticked is not sent, and the server takes it for left out.
      form.append(Object.assign(document.createElement("input"), { type: "hidden", name: field.name, value: "false" }));
    }
  }
}

// Before the scripts of the framework read the form.
document.addEventListener("submit", leaveOut, true);
