/* The settings of a group: the map, the colour, and what matters only after another choice. */

import { makeMapPicker, placeFields } from "./map_picker.js";

const byId = (id) => document.getElementById(id);
const form = byId("settings");
const { elements } = form;

// --- The place ------------------------------------------------------------------------------

const fields = placeFields(elements.latitude, elements.longitude);
const map = makeMapPicker({
  page: form.dataset,
  ...fields,
  start: () => null,
  fail() {
    byId("map-complaint").textContent = form.dataset.noMap;
    byId("map-complaint").hidden = false;
  },
});

for (const name of ["latitude", "longitude"]) {
  elements[name].addEventListener("change", () => {
    const place = fields.read();
    if (place) map.center(place);
  });
}
map.showIfAllowed();

// --- The colour -----------------------------------------------------------------------------

const picker = byId("colour-picker");
const isColour = (text) => /^#[0-9a-f]{6}$/i.test(text);

function showColour() {
  const { value, placeholder } = elements.accent_colour;
  picker.value = isColour(value) ? value : placeholder;
}

picker.hidden = false;
picker.addEventListener("input", () => {
  elements.accent_colour.value = picker.value;
});
elements.accent_colour.addEventListener("input", showColour);

// --- What matters only after another choice ---------------------------------------------------

const before = { visibility: elements.visibility.value, approval: elements.needs_approval.value };

function showWhatMatters() {
  const { visibility, needs_approval: approval, licence_kind: licence } = elements;
  const { reveal_at: reveal } = elements;
  reveal.closest(".field").hidden = visibility.value !== "gallery" && !reveal.value;
  byId("own-licence").hidden = licence.value !== "own";
  const offer = byId("approve-waiting");
  if (!offer) return;
  const opens = visibility.value === "gallery" && before.visibility !== "gallery";
  const lets = approval.value === "no" && before.approval !== "no";
  offer.hidden = !(opens || lets || elements.approve_waiting.checked);
}

form.addEventListener("change", showWhatMatters);

// --- Nothing is lost ------------------------------------------------------------------------

const asText = () => new URLSearchParams(new FormData(form)).toString();
const untouched = asText();
let isSaving = false;
form.addEventListener("submit", () => {
  isSaving = true;
});
addEventListener("beforeunload", (event) => {
  if (!isSaving && asText() !== untouched) event.preventDefault();
});

showColour();
showWhatMatters();
