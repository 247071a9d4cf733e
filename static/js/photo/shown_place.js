/* The map on which the place of a photo is shown. Nothing is requested from the map's host before
   the reader agrees, here or on any other page with its map. */

import { loadMap } from "../consented_map.js";
import { getItem, setItem } from "../upload/local_storage.js";

const byId = (id) => document.getElementById(id);
const { dataset } = byId("shown-place");
const consent = `map:${dataset.mapHost}`;

async function show() {
  const place = [Number(dataset.latitude), Number(dataset.longitude)];
  byId("place-area").hidden = false;
  try {
    const { L, map } = await loadMap(byId("place-map"), dataset);
    map.setView(place, 15);
    // A circle, because the usual marker is a picture of its own.
    L.circleMarker(place, { radius: 9, weight: 3, color: "#b3261e", interactive: false }).addTo(map);
    byId("place-question").hidden = true;
  } catch {
    byId("place-area").hidden = true;
    byId("no-map").hidden = false;
  }
}

byId("show-place").addEventListener("click", async () => {
  setItem(consent, "yes");
  await show();
  byId("place-map").focus({ preventScroll: true });
});
if (getItem(consent)) show();
