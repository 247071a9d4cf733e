/* Photos of the grid that cannot be loaded: tried once more by a fresh address, then said. */

import { t } from "../upload/messages.js";
import { freshAddresses } from "./refresh.js";
import { linkOf, pictureOf, tileAt } from "./tiles.js";

export function watchBroken(grid) {
  grid.addEventListener("error", ({ target }) => mend(target), { capture: true });
  grid.addEventListener("load", ({ target }) => clear(tileAt(target)), { capture: true });
  for (const tile of grid.querySelectorAll("li[data-id]")) {
    const picture = pictureOf(tile);
    if (picture.complete && picture.currentSrc && !picture.naturalWidth) mend(picture);
  }
}

async function mend(picture) {
  const tile = tileAt(picture);
  if (!tile || picture !== pictureOf(tile)) return;
  const before = picture.srcset;
  await freshAddresses();
  if (picture.srcset !== before || tile.dataset.isBroken) return;
  tile.dataset.isBroken = "";
  const text = document.createElement("span");
  text.className = "broken";
  text.textContent = t("notLoaded");
  linkOf(tile).append(text);
}

function clear(tile) {
  if (!tile || !("isBroken" in tile.dataset)) return;
  delete tile.dataset.isBroken;
  tile.querySelector(".broken")?.remove();
}
