/* Pictures on the map, each for the photos taken near it. The server counts photos in cells of a
   grid (images/listing/clusters.py); cells that would overlap on the screen are drawn as one. */

import { t } from "../upload/messages.js";

const SIZE = 64; // pixels of a marker, and how far apart they are at least
const MOST_ZOOM = 18;
const WAIT_MS = 20_000;
const byId = (id) => document.getElementById(id);

/** `page` has the data of the element around the map: clusters, gallery and box. */
export async function makePhotoMarkers({ L, map, page, complain }) {
  const { default: Supercluster } = await import("supercluster");
  const layer = L.layerGroup().addTo(map);
  let asked = null; // the request for this part of the map
  let index = null;

  async function load() {
    asked?.abort();
    const mine = new AbortController();
    asked = mine;
    const timer = setTimeout(() => mine.abort(new DOMException("", "TimeoutError")), WAIT_MS);
    const bbox = boxOf(map.getBounds());
    try {
      const answer = await fetch(`${page.clusters}?bbox=${bbox}`, { signal: mine.signal });
      if (!answer.ok) throw new Error(String(answer.status));
      const { count, clusters } = await answer.json();
      index = indexOf(Supercluster, clusters);
      complain("");
      draw();
      summarize(count, bbox);
    } catch (error) {
      if (error.name !== "AbortError") complain(t("noPlaces"));
    } finally {
      clearTimeout(timer);
    }
  }

  function draw() {
    layer.clearLayers();
    const found = index.getClusters([-180, -90, 180, 90], Math.round(map.getZoom()));
    for (const { geometry, properties } of found) {
      const [lon, lat] = geometry.coordinates;
      // Beside the middle of the map, should that be in another copy of the world.
      const copy = 360 * Math.round((map.getCenter().lng - lon) / 360);
      addMarker(L.latLng(lat, lon + copy), properties);
    }
  }

  function addMarker(at, { total, box, url, alt, thumb }) {
    const icon = L.divIcon({ className: "photo-marker", html: face(thumb, total), iconSize: [SIZE, SIZE] });
    const marker = L.marker(at, { icon, riseOnHover: true, zIndexOffset: total }).addTo(layer);
    const isOnePlace = total === 1 || map.getZoom() >= MOST_ZOOM || isSmall(box);
    marker.getElement().setAttribute(
      "aria-label",
      total === 1 ? alt : t(isOnePlace ? "photos" : "zoomIn", { count: total }),
    );
    if (isOnePlace) {
      marker.bindPopup(() => popup({ total, box, url, alt, thumb }), { minWidth: 220 });
    } else {
      const [west, south, east, north] = box;
      const bounds = L.latLngBounds([south, west], [north, east]);
      const zoomIn = () => map.fitBounds(bounds, { padding: [SIZE, SIZE], maxZoom: MOST_ZOOM });
      marker.on("click", zoomIn);
      // Leaflet opens popups by Enter, but presses no markers.
      marker.on("keypress", ({ originalEvent }) => originalEvent.key === "Enter" && zoomIn());
    }
  }

  function popup({ total, box, url, alt, thumb }) {
    const link = document.createElement("a");
    link.className = "photo-popup";
    link.href = total === 1 ? url : `${page.gallery}?bbox=${box}`;
    if (thumb) link.append(Object.assign(new Image(), { src: thumb, alt: total === 1 ? alt : "" }));
    link.append(total === 1 ? t("openPhoto") : t("photos", { count: total }));
    return link;
  }

  function summarize(count, bbox) {
    const link = byId("photos-here");
    link.hidden = count === 0;
    link.href = `${page.gallery}?bbox=${bbox}`;
    link.textContent = t("photosHere", { count });
    byId("map-status").textContent = count ? "" : t("nothingHere");
  }

  const [west, south, east, north] = page.box.split(",").map(Number);
  map.fitBounds([[south, west], [north, east]], { padding: [SIZE, SIZE], maxZoom: 16, animate: false });
  map.on("zoomend", () => index && draw());
  map.on("moveend", load);
  await load();
}

/** What the map shows, as `bbox` of the filters takes it: west,south,east,north. */
function boxOf(bounds) {
  const [south, north] = [bounds.getSouth(), bounds.getNorth()].map((one) => clamp(one, 90));
  const [west, east] = [bounds.getWest(), bounds.getEast()];
  if (east - west >= 360) return [-180, south, 180, north].join(",");
  const wrap = (lon) => ((((lon + 180) % 360) + 360) % 360) - 180;
  return [wrap(west), south, wrap(east), north].map((one) => one.toFixed(6)).join(",");
}

function clamp(value, most) {
  return Math.min(most, Math.max(-most, value));
}

function isSmall([west, south, east, north]) {
  return east - west < 0.0002 && north - south < 0.0002; // about twenty metres
}

function indexOf(Supercluster, clusters) {
  const index = new Supercluster({
    radius: SIZE,
    extent: 256, // the pixels of a tile
    maxZoom: MOST_ZOOM,
    map: ({ total, ...more }) => ({ total, ...more, most: total }),
    reduce(sum, one) {
      sum.total += one.total;
      sum.box = sum.box.map((edge, side) => (side < 2 ? Math.min : Math.max)(edge, one.box[side]));
      if (one.most > sum.most) {
        const { most, url, alt, thumb } = one;
        Object.assign(sum, { most, url, alt, thumb });
      }
    },
  });
  return index.load(
    clusters.map(({ count, lat, lon, ...more }) => ({
      type: "Feature",
      geometry: { type: "Point", coordinates: [lon, lat] },
      properties: { ...more, total: count },
    })),
  );
}

function face(thumb, total) {
  const element = document.createElement("span");
  if (thumb) element.append(Object.assign(new Image(), { src: thumb, alt: "" }));
  if (total > 1) {
    const count = Object.assign(document.createElement("b"), { textContent: total.toLocaleString() });
    element.append(count);
  }
  return element;
}
