/* A map whose center is the place that is chosen. */

import { offerMap } from "./consented_map.js";

const WORLD = { lat: 20, lon: 0 };

/**
 * `page` and `fail()` are those of offerMap(). `read()` returns the place in the fields or null,
 * `write(place)` fills them in, `start()` returns where the map opens if they are empty.
 */
export function makeMapPicker({ page, read, write, start, fail }) {
  const offered = offerMap({
    page,
    fail,
    start(L, map) {
      const place = read() ?? start();
      const { lat, lon } = place || WORLD;
      map.setView([lat, lon], place ? 15 : 2);
      map.on("click", ({ latlng }) => map.panTo(latlng));
      // Added last: opening the map does not set a place.
      map.on("moveend", () => writeCenter(map));
    },
  });

  /** Writes the map's center into the fields, unless they are more exact than its pixels. */
  function writeCenter(map) {
    const { lat, lng } = map.getCenter().wrap();
    const typed = read();
    const middle = map.getSize().divideBy(2);
    const isSame = typed && map.latLngToContainerPoint([typed.lat, typed.lon]).distanceTo(middle) < 2;
    if (!isSame) write({ lat, lon: lng });
  }

  return {
    center({ lat, lon }) {
      const map = offered.map();
      map?.setView([lat, lon], Math.max(map.getZoom(), 15), { animate: false });
    },
    showIfAllowed: offered.showIfAllowed,
  };
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
