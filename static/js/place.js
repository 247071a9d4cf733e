/* The page where a guest sets the place of a photo. */

import { makeMapPicker } from "./map_picker.js";
import { connect } from "./upload/api.js";
import { deviceSecret, getItem, setItem } from "./upload/local_storage.js";
import { language, t } from "./upload/messages.js";

const byId = (id) => document.getElementById(id);
const page = byId("place").dataset;
const api = connect({ root: page.api, token: page.token, device: deviceSecret() });
const path = `images/${page.image}/`;
const lastPlace = storedPlace();
let photo = null;

// --- The photo ------------------------------------------------------------------------------

async function load() {
  const upload = await api.get(`uploads/${page.image}/`);
  if (!upload.photo || upload.photo.trashed_at) throw new Error(t("notYours"));
  photo = upload.photo;
  byId("photo-name").textContent = upload.filename;
  byId("photo").hidden = false;
  if (upload.thumb && !document.querySelector(".placed-photo img")) {
    const { url, width, height } = upload.thumb;
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

/** Returns whether `request` succeeded; `describe(answer)` says what it did. */
async function change(request, describe) {
  complain("");
  byId("done").textContent = "";
  try {
    if (!photo) await load(); // asked for before the photo was there
    const answer = await request();
    await load();
    byId("done").textContent = describe(answer);
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

byId("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const location = typedPlace();
  if (!location) {
    complain(t("placeIncomplete"));
    const wrong = Math.abs(degrees("latitude")) <= 90 ? "longitude" : "latitude";
    byId(wrong).setAttribute("aria-invalid", "true");
    byId(wrong).focus();
    return;
  }
  if (await change(() => api.patch(path, { location }, photo.etag), () => t("placeSaved"))) {
    setItem("place", JSON.stringify(location));
    document.querySelector(".back").focus();
  }
});

byId("remove").addEventListener("click", async () => {
  const remove = () => api.patch(path, { location: null }, photo.etag);
  if (await change(remove, () => t("placeRemoved"))) {
    byId("latitude").value = byId("longitude").value = "";
    byId("latitude").focus();
  }
});

byId("forget").addEventListener("click", async () => {
  const forget = () => api.delete(`${path}location/`);
  if (await change(forget, removalMessage)) document.querySelector(".back").focus();
});

/** What was removed from the original. */
function removalMessage({ original, removed }) {
  if (original === "dropped") return t("placeAndOriginalRemoved");
  if (original === "none") return t("placeRemoved");
  const list = new Intl.ListFormat(language, { type: "conjunction" });
  return t("placeForgotten", { removed: list.format(removed.map((one) => t(`removed:${one}`))) });
}

// --- Latitude and longitude -----------------------------------------------------------------

function degrees(id) {
  const text = byId(id).value.trim().replace(",", ".");
  return text ? Number(text) : NaN;
}

/** Null if the two fields are not a place. */
function typedPlace() {
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
  map.center(place);
}

for (const id of ["latitude", "longitude"]) {
  byId(id).addEventListener("change", () => {
    const place = typedPlace();
    if (place) map.center(place);
  });
}

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

byId("use-last").hidden = !lastPlace;
byId("use-last").addEventListener("click", () => use(lastPlace));

/** The last place set on this device, or null without a valid one. */
function storedPlace() {
  try {
    const { lat, lon } = JSON.parse(getItem("place"));
    return [lat, lon].every(Number.isFinite) ? { lat, lon } : null;
  } catch {
    return null;
  }
}

// --- The map --------------------------------------------------------------------------------

const map = makeMapPicker({
  page,
  read: typedPlace,
  write,
  start() {
    const venue = page.latitude && { lat: Number(page.latitude), lon: Number(page.longitude) };
    return venue || lastPlace;
  },
  fail: () => complain(t("noMap")),
});

async function start() {
  try {
    await load();
    if (!byId("form").hidden) await map.showIfAllowed();
  } catch (problem) {
    complain(problem.status === 404 ? t("notYours") : problem.message);
  }
}

start();
