/* Dragging over the tiles of a grid: with a mouse while it selects, with a finger after a long press. */

import { tileAt } from "./tiles.js";

const PRESS_MS = 450;
const STILL_PX = 10;
const EDGE_PX = 80;

/** `begin(tile)` starts a drag and returns what is called with each tile that it reaches. */
export function followDrags(grid, { isOn, begin }) {
  let press = null; // {tile, x, y, timer, reach, isTouch}
  let isClickOfDrag = false;

  function end() {
    clearTimeout(press?.timer);
    isClickOfDrag = Boolean(press?.reach);
    press = null;
  }

  grid.addEventListener("pointerdown", (event) => {
    isClickOfDrag = false;
    const tile = event.isPrimary && event.button === 0 ? tileAt(event.target) : null;
    if (!tile || !event.target.closest("a")) return;
    const isTouch = event.pointerType !== "mouse";
    press = { tile, x: event.clientX, y: event.clientY, isTouch };
    if (isTouch) press.timer = setTimeout(() => press && (press.reach = begin(tile)), PRESS_MS);
  });

  document.addEventListener("pointermove", ({ clientX: x, clientY: y }) => {
    if (!press) return;
    const tile = tileAt(document.elementFromPoint(x, y));
    if (press.reach) {
      if (tile && grid.contains(tile)) press.reach(tile);
      scrollAtEdge(y);
    } else if (press.isTouch && Math.hypot(x - press.x, y - press.y) > STILL_PX) end();
    else if (!press.isTouch && isOn() && tile && tile !== press.tile) {
      press.reach = begin(press.tile);
      press.reach(tile);
    }
  });

  document.addEventListener("pointerup", end);
  document.addEventListener("pointercancel", end);
  // Once the press was long enough, moving the finger selects and does not scroll.
  grid.addEventListener("touchmove", (event) => press?.reach && event.preventDefault(), { passive: false });
  grid.addEventListener("contextmenu", (event) => press?.isTouch && event.preventDefault());
  grid.addEventListener("dragstart", (event) => isOn() && event.preventDefault());
  // Before the listeners that open or tick a photo.
  grid.addEventListener(
    "click",
    (event) => {
      if (!isClickOfDrag) return;
      isClickOfDrag = false;
      event.preventDefault();
      event.stopImmediatePropagation();
    },
    { capture: true },
  );
}

function scrollAtEdge(y) {
  if (y < EDGE_PX) scrollBy(0, -EDGE_PX / 4);
  else if (y > innerHeight - EDGE_PX) scrollBy(0, EDGE_PX / 4);
}
