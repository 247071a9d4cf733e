/* The form that edits a photo: its map, and what was written and not saved. */

import { makeMapPicker, placeFields } from "../map_picker.js";

const byId = (id) => document.getElementById(id);
const form = byId("edit-form");
const { latitude, longitude } = form.elements;
const fields = placeFields(latitude, longitude);

const map = makeMapPicker({
  page: form.dataset,
  ...fields,
  start: () => null,
  fail() {
    byId("map-complaint").hidden = false;
  },
});

for (const field of [latitude, longitude]) {
  field.addEventListener("change", () => {
    const place = fields.read();
    if (place) map.center(place);
  });
}

// A map that is not seen has no size.
const details = byId("edit");
let isMapAsked = false;

function showMap() {
  if (!details.open || isMapAsked) return;
  isMapAsked = true;
  map.showIfAllowed();
}

details.addEventListener("toggle", showMap);
showMap();

const asText = () => new URLSearchParams(new FormData(form)).toString();
const untouched = asText();
let isSaving = false;
form.addEventListener("submit", () => {
  isSaving = true;
});
addEventListener("beforeunload", (event) => {
  if (!isSaving && asText() !== untouched) event.preventDefault();
});
