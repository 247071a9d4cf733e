/*
 * Filters and dates of a gallery are links and forms. With this script a choice from a list shows
 * its photos at once, and the panel stays open while somebody tries one filter after the other.
 */

const OPEN = "filters-open";

function remember(isOpen) {
  try {
    sessionStorage.setItem(OPEN, isOpen ? location.pathname : "");
  } catch {
    // A browser that keeps nothing: the panel closes with each choice.
  }
}

function wasOpen() {
  try {
    return sessionStorage.getItem(OPEN) === location.pathname;
  } catch {
    return false;
  }
}

/** Keys that go through a closed list choose each value on the way: then the button is pressed. */
function showAtOnce(select) {
  let byKeys = false;
  select.addEventListener("keydown", () => (byKeys = true));
  select.addEventListener("pointerdown", () => (byKeys = false));
  select.addEventListener("change", () => !byKeys && select.form.requestSubmit());
}

/** What is not chosen is not in the address. */
function leaveOutEmpty(event) {
  for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true;
}

const panel = document.querySelector(".filter-panel");
if (panel) {
  // On a phone it would cover the photos that were asked for.
  panel.open = wasOpen() && matchMedia("(min-width: 40rem)").matches;
  panel.addEventListener("toggle", () => remember(panel.open));
}
for (const form of document.querySelectorAll("#filters form, #scrubber form")) {
  form.addEventListener("submit", leaveOutEmpty);
}
document.querySelectorAll("#filters select, #scrubber select").forEach(showAtOnce);
// Back brings the page as it was left.
addEventListener("pageshow", () => {
  for (const field of document.querySelectorAll("#filters :disabled")) field.disabled = false;
});
document.querySelector("#filters")?.setAttribute("data-ready", "");
