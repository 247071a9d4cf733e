/* Tells of photos that arrive while the page is open: a button that shows them, never a jump. */

import { t } from "../upload/messages.js";
import { pageNow } from "./refresh.js";

const SOON_MS = 8_000;
const LATEST_MS = 60_000;
const SLOWER = 1.5;
const COUNTED = 100; // as images/listing/arrivals.py

/**
 * Asks `element.dataset.url` which photos arrived since `element.dataset.since`, now and then.
 *
 * `onLoad(page)` is called with the document to take the new photos from.
 */
export function watchNews(element, onLoad) {
  const button = element.querySelector("button");
  let wait = SOON_MS;
  let timer = 0;
  let etag = "";
  let isAsking = false;
  let isOver = false;

  async function ask() {
    if (isAsking || isOver) return;
    isAsking = true;
    try {
      await hear(await request(element.dataset, etag));
    } catch {
      wait = LATEST_MS; // no network: the photos are not urgent
    }
    isAsking = false;
    plan();
  }

  async function hear(answer) {
    if (answer.status === 200) {
      etag = answer.headers.get("ETag") ?? "";
      wait = SOON_MS;
      return tell((await answer.json()).new);
    }
    wait = Math.min(wait * SLOWER, LATEST_MS);
    // Signed out, or the group is gone.
    isOver = answer.type === "opaqueredirect" || [400, 401, 403, 404].includes(answer.status);
  }

  function plan() {
    clearTimeout(timer);
    if (!document.hidden && !isOver) timer = setTimeout(ask, wait * (0.75 + Math.random() / 2));
  }

  function tell(ids) {
    const count = ids.filter((id) => !document.querySelector(`#grid [data-id="${id}"]`)).length;
    // Nothing is there to jump, and nobody is trying out filters.
    if (count && !document.getElementById("grid") && !location.search) location.reload();
    button.hidden = !count;
    button.textContent = ids.length < COUNTED ? t("newPhotos", { count }) : t("manyNew", { count: COUNTED - 1 });
  }

  async function load() {
    const first = new URL(location.href);
    first.hash = "";
    if (first.searchParams.has("cursor") || first.searchParams.has("at")) {
      first.searchParams.delete("cursor");
      first.searchParams.delete("at");
      return location.assign(first);
    }
    button.disabled = true;
    try {
      const page = await pageNow(first);
      onLoad(page);
      element.dataset.since = page.getElementById("news").dataset.since;
      etag = "";
      button.hidden = true;
      const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
      document.getElementById("grid").scrollIntoView({ block: "start", behavior });
    } catch {
      location.assign(first);
    }
    button.disabled = false;
  }

  button.addEventListener("click", load);
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    wait = SOON_MS;
    if (!document.hidden) ask();
  });
  plan();
}

/** Asks of the photos that the page shows: its filters are in its address. */
function request({ url, since }, etag) {
  const asked = new URLSearchParams(location.search);
  asked.set("since", since);
  return fetch(`${url}?${asked}`, {
    headers: etag ? { "If-None-Match": etag } : {},
    cache: "no-store",
    redirect: "manual",
    signal: AbortSignal.timeout(15_000),
  });
}
