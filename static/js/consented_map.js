/* A map that loads only after the reader agreed: nothing is requested from its host before. The
   elements are those of templates/_map.html. */

import { getItem, setItem } from "./upload/local_storage.js";

const byId = (id) => document.getElementById(id);

/**
 * `page` has the data of the element around the map: tiles, mapHost, attribution and leafletStyle.
 * `start(L, map)` says what the map shows, `fail()` that it could not be loaded.
 * Returns `showIfAllowed()`; `map()`, null where none is shown.
 */
export function offerMap({ page, start, fail }) {
  const consent = `map:${page.mapHost}`;
  let map = null;

  async function show() {
    byId("map-question").hidden = true;
    byId("map-area").hidden = false;
    let L;
    try {
      ({ L, map } = await loadMap(byId("map"), page));
    } catch {
      byId("map-question").hidden = false;
      byId("map-area").hidden = true;
      fail();
      return;
    }
    start(L, map);
  }

  if (page.tiles) {
    byId("map-question").hidden = false;
    byId("show-map").addEventListener("click", async () => {
      setItem(consent, "yes");
      await show();
      if (map) byId("map").focus({ preventScroll: true });
    });
    byId("hide-map").addEventListener("click", () => {
      setItem(consent, "");
      map?.remove();
      map = null;
      byId("map-area").hidden = true;
      byId("map-question").hidden = false;
      byId("show-map").focus();
    });
  }

  return {
    map: () => map,
    async showIfAllowed() {
      if (page.tiles && getItem(consent)) await show();
    },
  };
}

/** Makes a map in an element; `page` is as above. Rejects if Leaflet cannot be loaded. */
export async function loadMap(element, page) {
  const [L] = await Promise.all([import("leaflet"), loadStyle(page.leafletStyle)]);
  const moves = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  const motion = { zoomAnimation: moves, fadeAnimation: moves, inertia: moves };
  const map = L.map(element, { ...motion, worldCopyJump: true });
  map.attributionControl.setPrefix(false);
  // The origin alone, because the page's address may contain a link.
  const layer = { attribution: page.attribution, maxZoom: 19, referrerPolicy: "origin" };
  L.tileLayer(page.tiles, layer).addTo(map);
  return { L, map };
}

/** Resolves when the style sheet at `href` is there. */
function loadStyle(href) {
  const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
  return new Promise((resolve, reject) => {
    Object.assign(link, { onload: resolve, onerror: reject });
    document.head.append(link);
  });
}
