/* Bars drawn from the rows of a table of templates/groups/stats.html. */

import uPlot from "uplot";

const BAR_PIXELS = 20; // at least; more bars than fit are scrolled to
const HEIGHT = 220;
const LETTERS = 14; // of a label below the axis

/** `frame` holds the element that names its table. */
export function drawBars(frame) {
  const place = frame.querySelector(".chart");
  const rows = [...document.querySelectorAll(`#${place.dataset.table} tbody tr`)];
  const labels = rows.map((row) => shortened(row.querySelector("th").textContent.trim()));
  const counts = rows.map((row) => Number(row.dataset.count));
  frame.hidden = false;
  const chart = new uPlot(options(labels), [labels.map((_, place) => place), counts], place);
  const fit = () => {
    chart.setSize({ width: Math.max(frame.clientWidth, rows.length * BAR_PIXELS), height: HEIGHT });
  };
  fit();
  new ResizeObserver(fit).observe(frame);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.redraw());
}

function shortened(label) {
  return label.length > LETTERS ? `${label.slice(0, LETTERS - 1)}…` : label;
}

function options(labels) {
  const color = (name) => () => getComputedStyle(document.documentElement).getPropertyValue(name);
  const font = `13px ${getComputedStyle(document.body).fontFamily}`;
  return {
    width: 320,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: false, range: [-0.5, labels.length - 0.5] },
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
        size: 84,
        rotate: -45,
        grid: { show: false },
        ticks: { show: false },
        splits: () => labels.map((_, place) => place),
        values: (chart) => {
          const every = Math.ceil((20 * labels.length * devicePixelRatio) / chart.bbox.width);
          return labels.map((label, place) => (place % every ? "" : label));
        },
      },
      {
        stroke: color("--muted"),
        font,
        size: 60,
        grid: { stroke: color("--line"), width: 1 },
        ticks: { show: false },
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 50_000, 100_000],
        space: 40,
      },
    ],
  };
}
