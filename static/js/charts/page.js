/* Pages of statistics: draws a chart of each table. Without a chart, what it shows is in the table. */

const frames = [...document.querySelectorAll(".chart-frame")];

import("./table_chart.js")
  .then(({ drawTable }) => frames.forEach(drawTable))
  .catch(() => {
    for (const details of document.querySelectorAll("details:has(.numbers-table)")) details.open = true;
  });
