/* The page of the statistics of a group: draws a chart of each table. Without a chart, what it shows
   is in the table. */

const frames = [...document.querySelectorAll(".chart-frame")];

import("./stats/bar_chart.js")
  .then(({ drawBars }) => frames.forEach(drawBars))
  .catch(() => {
    for (const details of document.querySelectorAll("details:has(.numbers-table)")) details.open = true;
  });
