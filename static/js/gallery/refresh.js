/* Asks for the page again, for addresses that are good for another hour, or for what is new. */

import { pictureOf } from "./tiles.js";

const ATTRIBUTES = ["full", "download"];
const MINUTE = 60_000;
let asked = null;
let askedAt = -MINUTE;

/** Returns the document of the page as it is now. Raises if there is none. */
export async function pageNow(url = location.href) {
  const answer = await fetch(url, { signal: AbortSignal.timeout(20_000), cache: "no-store" });
  if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

/**
 * Gives the tiles of the page addresses that are signed anew, at most once a minute. Returns
 * whether it did: addresses that are a minute old have not expired.
 */
export function freshAddresses() {
  if (performance.now() - askedAt > MINUTE) {
    askedAt = performance.now();
    asked = replaceAddresses().catch(() => false);
  }
  return asked;
}

async function replaceAddresses() {
  const page = await pageNow();
  for (const tile of document.querySelectorAll("#grid li[data-id]")) {
    const fresh = page.querySelector(`#grid li[data-id="${tile.dataset.id}"]`);
    if (fresh) replace(tile, fresh);
  }
  return true;
}

function replace(tile, fresh) {
  for (const name of ATTRIBUTES) if (fresh.dataset[name]) tile.dataset[name] = fresh.dataset[name];
  const [old, now] = [tile, fresh].map(pictureOf);
  if (old.srcset !== now.srcset) Object.assign(old, { srcset: now.srcset, src: now.src });
}
