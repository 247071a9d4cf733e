/* The page that shows where and when the photos of a group were taken. */

import { offerMap } from "./consented_map.js";
import { makePhotoMarkers } from "./map/photo_markers.js";
import { t } from "./upload/messages.js";

const byId = (id) => document.getElementById(id);
const page = byId("photo-map")?.dataset;

if (page) {
  const fail = () => complain(t("noMap"));
  offerMap({
    page,
    fail,
    start: (L, map) => makePhotoMarkers({ L, map, page, complain }).catch(fail),
  }).showIfAllowed();
}

function complain(text) {
  byId("map-complaint").textContent = text;
  byId("map-complaint").hidden = !text;
}

const bars = [...document.querySelectorAll("#hours a")];
if (bars.length) {
  import("./map/histogram_chart.js")
    .then(({ drawHistogram }) => drawHistogram(bars))
    .catch(() => {
      // Without the chart, what it shows is in the list.
      document.querySelector("details:has(#hours)").open = true;
    });
}
