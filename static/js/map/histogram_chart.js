/* The histogram as bars, drawn from the list of hours of templates/groups/map.html. Between hours
   that do not follow each other the chart leaves one bar out, however long the pause. */

import { drawBars } from "../charts/bars.js";
import { t } from "../upload/messages.js";

const BAR_PIXELS = 24; // at least, so that a finger hits it
const HEIGHT = 200;
const byId = (id) => document.getElementById(id);

/** `bars` are links, with their numbers as data. */
export function drawHistogram(bars) {
  const slots = slotsOf(bars);
  byId("bar-status").hidden = false;
  const chart = drawBars({
    frame: byId("histogram"),
    place: byId("chart"),
    counts: slots.map((link) => (link ? Number(link.dataset.count) : null)),
    barPixels: BAR_PIXELS,
    height: HEIGHT,
    labelSize: 44,
    labels: (chart) => labels(slots, chart.bbox.width / devicePixelRatio / slots.length),
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
  });

  const linkAt = (event) => slots[Math.round(chart.posToVal(event.offsetX, "x"))];
  chart.over.addEventListener("click", (event) => {
    const link = linkAt(event);
    if (link) location.assign(link.href);
  });
  chart.over.addEventListener("mousemove", (event) => {
    const link = linkAt(event);
    chart.over.style.cursor = link ? "pointer" : "";
    if (link) byId("bar-status").textContent = describe(link);
  });
}

function describe(link) {
  return t("bar", { when: link.textContent.trim(), count: Number(link.dataset.count) });
}

/** Links in their order, with null for a pause. */
function slotsOf(bars) {
  return bars.flatMap((link, number) => {
    const follows = number === 0 || bars[number - 1].dataset.until === link.dataset.at;
    return follows ? [link] : [null, link];
  });
}

/** The hour below its bar, and the day below the first of its bars. */
function labels(slots, pixels) {
  const every = Math.ceil(28 / pixels);
  let day = "";
  let room = 0;
  return slots.map((link, number) => {
    room -= pixels;
    if (!link) return "";
    const label = number % every === 0 ? link.dataset.label : "";
    if (link.dataset.day === day || room > 0) return label;
    day = link.dataset.day;
    room = Math.max(56, 8 * day.length);
    return `${label}\n${day}`;
  });
}
