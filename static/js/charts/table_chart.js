/* Bars drawn from the rows of a table, which says the same. */

import { drawBars } from "./bars.js";

const BAR_PIXELS = 9; // at least
const LETTERS = 14; // of a label below the axis
const LINE = 16; // pixels
const BESIDE = 76; // pixels that are no bar's
const SLANT = Math.SQRT1_2;

/** `frame` holds the element that names its table. Labels are slanted where they do not fit else. */
export function drawTable(frame) {
  const place = frame.querySelector(".chart");
  const rows = [...document.querySelectorAll(`#${place.dataset.table} tbody tr`)];
  const labels = rows.map((row) => shortened(row.querySelector("th").textContent.trim()));
  const longest = Math.max(...widthsOf(labels));
  const room = () => Math.max(BAR_PIXELS, (frame.clientWidth - BESIDE) / labels.length);
  const fit = () => longest + LINE / 2 <= room();
  drawBars({
    frame,
    place,
    counts: rows.map((row) => Number(row.dataset.count)),
    barPixels: BAR_PIXELS,
    height: 220,
    labelSize: () => (fit() ? 2 * LINE : Math.ceil(longest * SLANT) + 2 * LINE),
    rotate: () => (fit() ? 0 : 45),
    labels: () => {
      const every = fit() ? 1 : Math.ceil((LINE + 6) / room());
      return labels.map((label, place) => (place % every ? "" : label));
    },
  });
}

function shortened(label) {
  return label.length > LETTERS ? `${label.slice(0, LETTERS - 1)}…` : label;
}

function widthsOf(labels) {
  const context = document.createElement("canvas").getContext("2d");
  context.font = `13px ${getComputedStyle(document.body).fontFamily}`;
  return labels.map((label) => context.measureText(label).width);
}
