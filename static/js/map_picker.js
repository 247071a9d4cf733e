/* A map whose center is the place that is chosen. Nothing is requested from the map's host before
   the reader agrees. The elements are those of templates/_map.html. */

import { getItem, setItem } from "./upload/local_storage.js";

const WORLD = { lat: 20, lon: 0 };

const byId = (id) => document.getElementById(id);

/**
 * `page` has the data of the element around the map: tiles, mapHost, attribution and
 * leafletStyle. `read()` returns the place in the fields or null, `write(place)` fills them in,
 * `start()` returns where the map opens if they are empty, and `fail()` says that there is no map.
 */
export function makeMapPicker({ page, read, write, start, fail }) {
  const consent = `map:${page.mapHost}`;
  let map = null;

  async function show() {
    byId("map-question").hidden = true;
    byId("map-area").hidden = false;
    try {
      ({ map } = await loadMap(byId("map"), page));
    } catch {
      byId("map-question").hidden = false;
      byId("map-area").hidden = true;
      fail();
      return;
    }
    const place = read() ?? start();
    const { lat, lon } = place || WORLD;
    map.setView([lat, lon], place ? 15 : 2);
    map.on("click", ({ latlng }) => map.panTo(latlng));
    // Added last: opening the map does not set a place.
    map.on("moveend", writeCenter);
  }

  /** Writes the map's center into the fields, unless they are more exact than its pixels. */
  function writeCenter() {
    const { lat, lng } = map.getCenter().wrap();
    const typed = read();
    const middle = map.getSize().divideBy(2);
    const isSame = typed && map.latLngToContainerPoint([typed.lat, typed.lon]).distanceTo(middle) < 2;
    if (!isSame) write({ lat, lon: lng });
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
    center({ lat, lon }) {
      map?.setView([lat, lon], Math.max(map.getZoom(), 15), { animate: false });
    },
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

/** `read()` and `write(place)` of two fields with degrees. */
export function placeFields(latitude, longitude) {
  const degrees = (field) => (field.value.trim() ? Number(field.value.trim().replace(",", ".")) : NaN);
  return {
    /** Null if the two fields are not a place. */
    read() {
      const [lat, lon] = [degrees(latitude), degrees(longitude)];
      return Math.abs(lat) <= 90 && Math.abs(lon) <= 180 ? { lat, lon } : null;
    },
    write({ lat, lon }) {
      latitude.value = lat.toFixed(6);
      longitude.value = lon.toFixed(6);
    },
  };
}

/** Resolves when the style sheet at `href` is there. */
function loadStyle(href) {
  const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
  return new Promise((resolve, reject) => {
    Object.assign(link, { onload: resolve, onerror: reject });
    document.head.append(link);
  });
}
