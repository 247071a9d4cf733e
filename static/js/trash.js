/* Ticks all photos of the trash, or a range of them with Shift. */

import { makeSelection } from "./desk/selection.js";

const form = document.getElementById("picks");
if (form) {
  const selection = makeSelection(form, () => {});
  const button = document.getElementById("select-all");
  button.hidden = false;
  button.addEventListener("click", () => selection.toggleAll());
}
