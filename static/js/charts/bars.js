/* Bars drawn by uPlot in the colours of their frame (--accent, --muted, --line), which scrolls sideways
   where they are more than fit. */

import uPlot from "uplot";

const STEPS = [1, 2, 5]; // of the numbers beside the bars, and ten times as much, and so on

/** Draws a bar for each count into `place`, which `frame` holds; null leaves a gap. `labels(chart)`
    returns the texts below them. Returns uPlot's chart. */
export function drawBars({ frame, place, counts, barPixels, height, labels, labelSize, rotate = 0, cursor }) {
  frame.hidden = false;
  const color = (name) => () => getComputedStyle(frame).getPropertyValue(name);
  const positions = counts.map((_, position) => position);
  const look = { font: `13px ${getComputedStyle(document.body).fontFamily}`, ticks: { show: false } };
  const below = {
    ...look,
    stroke: color("--muted"),
    size: labelSize,
    rotate,
    grid: { show: false },
    splits: () => positions,
    values: labels,
  };
  const beside = {
    ...look,
    stroke: color("--muted"),
    size: 60,
    grid: { stroke: color("--line"), width: 1 },
    incrs: Array.from({ length: 30 }, (_, step) => STEPS[step % 3] * 10 ** Math.floor(step / 3)),
    space: 30,
  };
  const chart = new uPlot(
    {
      width: 320,
      height,
      legend: { show: false },
      cursor: cursor ?? { show: false },
      scales: {
        x: { time: false, range: [-0.5, counts.length - 0.5] },
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
      axes: [below, beside],
    },
    [positions, counts],
    place,
  );
  const fit = () => chart.setSize({ width: Math.max(frame.clientWidth, counts.length * barPixels), height });
  fit();
  new ResizeObserver(fit).observe(frame);
  const redraw = () => chart.redraw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  // Django admin has a button for it.
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  return chart;
}
