/* Times in the reader's own zone and manner; without this module the page shows them in UTC. */

const { lang } = document.documentElement;
// British English, Swiss German: as the browser says, in the language of the page.
const locale = navigator.languages.find((each) => each.startsWith(lang)) ?? lang;

function show(selector, options) {
  const format = new Intl.DateTimeFormat(locale, options);
  for (const time of document.querySelectorAll(`time[data-${selector}]`)) {
    time.textContent = format.format(new Date(time.dateTime));
  }
}

show("local", { dateStyle: "long", timeStyle: "short" });
show("day", { dateStyle: "full", timeZone: "UTC" });
