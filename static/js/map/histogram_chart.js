/* The histogram as bars, drawn from the list of hours of templates/groups/map.html. Between hours
   that do not follow each other the chart leaves one bar out, however long the pause. */

import uPlot from "uplot";

import { t } from "../upload/messages.js";

const BAR_PIXELS = 24; // at least, so that a finger hits it
const HEIGHT = 200;
const byId = (id) => document.getElementById(id);

/** `bars` are links, with their numbers as data. */
export function drawHistogram(bars) {
  const slots = slotsOf(bars);
  const frame = byId("histogram");
  frame.hidden = byId("bar-status").hidden = false;
  const chart = new uPlot(options(slots), dataOf(slots), byId("chart"));

  const fit = () => {
    chart.setSize({ width: Math.max(frame.clientWidth, slots.length * BAR_PIXELS), height: HEIGHT });
  };
  fit();
  new ResizeObserver(fit).observe(frame);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.redraw());

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

function dataOf(slots) {
  return [slots.map((_, number) => number), slots.map((link) => (link ? Number(link.dataset.count) : null))];
}

function options(slots) {
  const color = (name) => () => getComputedStyle(document.documentElement).getPropertyValue(name);
  const font = `13px ${getComputedStyle(document.body).fontFamily}`;
  const grid = { stroke: color("--line"), width: 1 };
  return {
    width: 320,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: {
      x: { time: false, range: [-0.5, slots.length - 0.5] },
      y: { range: (_, _least, most) => [0, most * 1.1] },
    },
    series: [
      {},
      {
        fill: color("--accent"),
        width: 0,
        points: { show: false },
        paths: uPlot.paths.bars({ size: [0.8, 48], radius: 0.15 }),
      },
    ],
    axes: [
      {
        stroke: color("--muted"),
        font,
        size: 44,
        grid: { show: false },
        ticks: { show: false },
        splits: () => slots.map((_, number) => number),
        values: (chart) => labels(slots, chart.bbox.width / devicePixelRatio / slots.length),
      },
      {
        stroke: color("--muted"),
        font,
        size: 44,
        grid,
        ticks: { show: false },
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000],
        space: 40,
      },
    ],
  };
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
