/* Times in the reader's own zone; without this module the page shows them in UTC. */

const format = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "long", timeStyle: "short" });

for (const time of document.querySelectorAll("time[data-local]")) {
  time.textContent = format.format(new Date(time.dateTime));
}
