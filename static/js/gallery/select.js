/* Selecting many photos of a grid: by clicks, ranges, keys, a long press and dragging over them. */

import { t } from "../upload/messages.js";
import { followDrags } from "./drag.js";
import { linkOf, neighbour, pictureOf, tileAt, tilesOf } from "./tiles.js";

const ARROWS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]);

/** `onChange(tiles, isOn)` is called after each change with what is ticked. */
export function makeSelect(grid, onChange) {
  let isOn = false;
  let anchor = null; // where a range begins
  const ticked = () => tilesOf(grid).filter(isTicked);
  const changed = () => onChange(ticked(), isOn);

  function start() {
    if (isOn) return;
    isOn = true;
    prepare();
  }

  /** Also after other tiles have come. */
  function prepare() {
    grid.classList.toggle("is-selecting", isOn);
    for (const tile of grid.querySelectorAll("li[data-id]")) {
      if (isOn) addBox(tile);
      else tile.querySelector(".pick-box")?.remove();
    }
    changed();
  }

  function stop() {
    isOn = false;
    anchor = null;
    prepare();
  }

  function tick(tile, value) {
    boxOf(tile).checked = value;
    anchor = tile;
    changed();
  }

  /** Ticks all from `from` to `to`; others are as `before` says. */
  function tickRange(from, to, before = new Set(ticked())) {
    const all = tilesOf(grid);
    const [first, last] = [all.indexOf(from), all.indexOf(to)].sort((a, b) => a - b);
    all.forEach((tile, place) => {
      boxOf(tile).checked = before.has(tile) || (place >= first && place <= last);
    });
    changed();
  }

  function onClick(event) {
    const tile = tileAt(event.target);
    if (!tile || event.ctrlKey || event.metaKey || event.altKey) return;
    const isOnPhoto = event.target.closest("a");
    if (!isOnPhoto && !event.target.closest(".pick-box")) return;
    if (!isOn && !(event.shiftKey && isOnPhoto)) return;
    start();
    if (event.shiftKey && anchor?.isConnected) {
      event.preventDefault();
      tickRange(anchor, tile);
    } else if (isOnPhoto) {
      event.preventDefault();
      tick(tile, !isTicked(tile));
    } else if (event.target.name === "ids") tick(tile, isTicked(tile));
  }

  function onKey(event) {
    const tile = tileAt(event.target);
    if (!tile || event.ctrlKey || event.metaKey || event.altKey) return;
    if (ARROWS.has(event.key)) move(tile, event);
    else if (event.key.toLowerCase() === "x" && !event.shiftKey) {
      start();
      tick(tile, !isTicked(tile));
    } else return;
    event.preventDefault();
  }

  function move(tile, { key, shiftKey }) {
    const next = neighbour(grid, tile, key);
    if (!next) return;
    if (shiftKey) {
      start();
      anchor = ticked().includes(anchor) ? anchor : tile;
      tickRange(anchor, next);
    }
    linkOf(next).focus();
  }

  grid.addEventListener("click", onClick);
  grid.addEventListener("keydown", onKey);
  document.addEventListener("keydown", ({ key }) => {
    if (key === "Escape" && isOn && !document.querySelector(".pswp, dialog[open]")) stop();
  });
  followDrags(grid, {
    isOn: () => isOn,
    begin(tile) {
      start();
      anchor = tile;
      const before = new Set(ticked());
      tickRange(tile, tile, before);
      return (other) => tickRange(tile, other, before);
    },
  });

  return {
    start,
    stop,
    prepare,
    ticked,
    get isOn() {
      return isOn;
    },
    tickAll() {
      const all = tilesOf(grid);
      const isFull = all.every(isTicked);
      for (const tile of all) boxOf(tile).checked = !isFull;
      changed();
    },
  };
}

const boxOf = (tile) => tile.querySelector("input[name=ids]");
const isTicked = (tile) => boxOf(tile)?.checked ?? false;

function addBox(tile) {
  if (boxOf(tile)) return;
  const label = document.createElement("label");
  label.className = "pick-box";
  const box = Object.assign(document.createElement("input"), { type: "checkbox", name: "ids", value: tile.dataset.id });
  const text = document.createElement("span");
  text.className = "visually-hidden";
  text.textContent = t("select", { photo: pictureOf(tile).alt });
  label.append(box, text);
  tile.append(label);
}
