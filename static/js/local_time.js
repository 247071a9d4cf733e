/* Shows times in the reader's time zone and locale; without this module they are in UTC. */

const { lang } = document.documentElement;
// The browser's variant of the page's language: British English, Swiss German.
const locale = navigator.languages.find((each) => each.startsWith(lang)) ?? lang;

const moment = { dateStyle: "long", timeStyle: "short" };
const day = { weekday: "short", day: "numeric", month: "long", year: "numeric", timeZone: "UTC" };

function show(selector, options) {
  const format = new Intl.DateTimeFormat(locale, options);
  for (const time of document.querySelectorAll(`time[data-${selector}]`)) {
    time.textContent = format.format(new Date(time.dateTime));
  }
}

/** Shows the times of the page; again for those that a script has put into it since. */
export function showTimes() {
  show("local", moment);
  show("day", day);
}

showTimes();
