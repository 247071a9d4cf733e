/* Prints the sheets, and shows them anew when another choice is made. */

const form = document.getElementById("cards");
const print = document.getElementById("print");

if (print) {
  print.hidden = false;
  print.addEventListener("click", () => window.print());
}
for (const name of ["kind", "size", "paper", "sheets"]) {
  form.elements[name]?.addEventListener("change", () => form.requestSubmit());
}
