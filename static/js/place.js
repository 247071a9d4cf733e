/* The page where a guest pins the place of a photo. Nothing is asked of the map's host before the
   guest agrees. */

import { connect } from "./upload/api.js";
import { deviceSecret, getItem, setItem } from "./upload/local_storage.js";
import { language, t } from "./upload/messages.js";

const byId = (id) => document.getElementById(id);
const page = byId("place")?.dataset;
const WORLD = { lat: 20, lon: 0 };

if (page) {
  const api = connect({ root: page.api, token: page.token, device: deviceSecret() });
  start(api);
}

async function start(api) {
  let photo = null;
  let map = null;

  // --- What the server knows ----------------------------------------------------------------

  async function load() {
    const line = await api.get(`uploads/${page.image}/`);
    if (!line.photo || line.photo.trashed_at) throw new Error(t("notYours"));
    photo = line.photo;
    byId("photo-name").textContent = line.filename;
    byId("photo").hidden = false;
    if (line.thumb && !document.querySelector(".placed-photo img")) {
      const { url, width, height } = line.thumb;
      byId("photo").prepend(Object.assign(new Image(width, height), { alt: "", src: url }));
    }
    const isOfPhoto = photo.gps_source === "exif";
    byId("of-photo").hidden = byId("forget").hidden = !isOfPhoto;
    byId("form").hidden = isOfPhoto;
    byId("remove").hidden = !photo.location;
    byId("says-nothing").hidden = Boolean(photo.location);
    byId("says-yours").hidden = !photo.location;
    if (photo.location && !isOfPhoto) write(photo.location);
  }

  async function change(work, done) {
    complain("");
    byId("done").textContent = "";
    try {
      const answer = await work();
      await load();
      byId("done").textContent = typeof done === "function" ? done(answer) : t(done);
      return true;
    } catch (problem) {
      if (problem.status === 412) await load().catch(() => {});
      complain(problem.status === 412 ? t("changedElsewhere") : problem.message);
      return false;
    }
  }

  function complain(text) {
    byId("complaint").textContent = text;
    byId("complaint").hidden = !text;
    for (const id of ["latitude", "longitude"]) byId(id).toggleAttribute("aria-invalid", false);
  }

  // --- The two numbers ----------------------------------------------------------------------

  const degrees = (id) => {
    const text = byId(id).value.trim().replace(",", ".");
    return text ? Number(text) : NaN;
  };

  /** Null if they are no place. */
  function typed() {
    const [lat, lon] = [degrees("latitude"), degrees("longitude")];
    return Math.abs(lat) <= 90 && Math.abs(lon) <= 180 ? { lat, lon } : null;
  }

  function write({ lat, lon }) {
    byId("latitude").value = lat.toFixed(6);
    byId("longitude").value = lon.toFixed(6);
  }

  function use(place) {
    write(place);
    complain("");
    show(place);
  }

  function show({ lat, lon }) {
    map?.setView([lat, lon], Math.max(map.getZoom(), 15), { animate: false });
  }

  for (const id of ["latitude", "longitude"]) {
    byId(id).addEventListener("change", () => {
      const place = typed();
      if (place) show(place);
    });
  }

  byId("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const location = typed();
    if (!location) {
      complain(t("placeIncomplete"));
      const wrong = Math.abs(degrees("latitude")) <= 90 ? "longitude" : "latitude";
      byId(wrong).setAttribute("aria-invalid", "true");
      byId(wrong).focus();
      return;
    }
    const save = () => api.patch(`images/${page.image}/`, { location }, photo.etag);
    if (await change(save, "placeSaved")) {
      setItem("place", JSON.stringify(location));
      document.querySelector(".back").focus();
    }
  });

  byId("remove").addEventListener("click", async () => {
    const remove = () => api.patch(`images/${page.image}/`, { location: null }, photo.etag);
    if (await change(remove, "placeRemoved")) {
      byId("latitude").value = byId("longitude").value = "";
      byId("latitude").focus();
    }
  });

  byId("forget").addEventListener("click", async () => {
    const forget = () => api.delete(`images/${page.image}/location/`);
    if (await change(forget, whatWasForgotten)) document.querySelector(".back").focus();
  });

  // --- Where from ---------------------------------------------------------------------------

  if (navigator.geolocation && isSecureContext) {
    byId("use-position").hidden = false;
    byId("use-position").addEventListener("click", () => {
      navigator.geolocation.getCurrentPosition(
        ({ coords }) => use({ lat: coords.latitude, lon: coords.longitude }),
        () => complain(t("noPosition")),
        { enableHighAccuracy: true, timeout: 20_000, maximumAge: 60_000 },
      );
    });
  }

  const last = lastPlace();
  byId("use-last").hidden = !last;
  byId("use-last").addEventListener("click", () => use(last));

  // --- The map, once it is agreed to --------------------------------------------------------

  function startsAt() {
    const venue = page.latitude && { lat: Number(page.latitude), lon: Number(page.longitude) };
    const place = typed() ?? (venue || last);
    return place ? [place, 15] : [WORLD, 2];
  }

  async function showMap({ isAsked = false } = {}) {
    try {
      await leaflet();
    } catch {
      complain(t("noMap"));
      return;
    }
    byId("map-question").hidden = true;
    byId("map-area").hidden = false;
    const [{ lat, lon }, zoom] = startsAt();
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    map = L.map("map", {
      zoomAnimation: !isCalm,
      fadeAnimation: !isCalm,
      inertia: !isCalm,
      worldCopyJump: true,
    });
    map.attributionControl.setPrefix(false);
    // Only our origin, not the address with the link in it.
    const layer = { attribution: page.attribution, maxZoom: 19, referrerPolicy: "origin" };
    L.tileLayer(page.tiles, layer).addTo(map);
    map.setView([lat, lon], zoom);
    map.on("click", ({ latlng }) => map.panTo(latlng));
    // Only what a person moves: opening the map says nothing yet.
    map.on("moveend", () => {
      const { lat, lng } = map.getCenter().wrap();
      const shown = typed();
      // A map knows no more than its pixels; the numbers may.
      const middle = map.getSize().divideBy(2);
      const isThere =
        shown && map.latLngToContainerPoint([shown.lat, shown.lon]).distanceTo(middle) < 2;
      if (!isThere) write({ lat, lon: lng });
    });
    if (isAsked) byId("map").focus({ preventScroll: true });
  }

  if (page.tiles) {
    const agreed = `map:${page.mapHost}`;
    byId("map-question").hidden = false;
    byId("show-map").addEventListener("click", () => {
      setItem(agreed, "yes");
      showMap({ isAsked: true });
    });
    byId("hide-map").addEventListener("click", () => {
      setItem(agreed, "");
      map?.remove();
      map = null;
      byId("map-area").hidden = true;
      byId("map-question").hidden = false;
      byId("show-map").focus();
    });
  }

  try {
    await load();
    if (page.tiles && getItem(`map:${page.mapHost}`) && !byId("form").hidden) await showMap();
  } catch (problem) {
    complain(problem.status === 404 ? t("notYours") : problem.message);
  }
}

/** In words, what became of the original. */
function whatWasForgotten({ original, removed }) {
  if (original === "dropped") return t("placeAndOriginalRemoved");
  if (original === "none") return t("placeRemoved");
  const list = new Intl.ListFormat(language, { type: "conjunction" });
  return t("placeForgotten", { removed: list.format(removed.map((one) => t(`removed:${one}`))) });
}

/** Where this device put a photo last. Null if it did not, or what is kept there is no place. */
function lastPlace() {
  try {
    const { lat, lon } = JSON.parse(getItem("place"));
    return [lat, lon].every(Number.isFinite) ? { lat, lon } : null;
  } catch {
    return null;
  }
}

/** Leaflet puts itself into `L`. */
function leaflet() {
  const style = Object.assign(document.createElement("link"), {
    rel: "stylesheet",
    href: page.leafletStyle,
  });
  const script = Object.assign(document.createElement("script"), { src: page.leaflet });
  const loaded = (element) =>
    new Promise((resolve, reject) => Object.assign(element, { onload: resolve, onerror: reject }));
  const both = Promise.all([loaded(style), globalThis.L ? null : loaded(script)]);
  document.head.append(style, ...(globalThis.L ? [] : [script]));
  return both;
}
