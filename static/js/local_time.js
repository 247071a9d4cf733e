/* Shows times in the reader's time zone and locale; without this module they are in UTC. */

const { lang } = document.documentElement;
// The browser's variant of the page's language: British English, Swiss German.
const locale = navigator.languages.find((each) => each.startsWith(lang)) ?? lang;

function show(selector, options) {
  const format = new Intl.DateTimeFormat(locale, options);
  for (const time of document.querySelectorAll(`time[data-${selector}]`)) {
    time.textContent = format.format(new Date(time.dateTime));
  }
}

show("local", { dateStyle: "long", timeStyle: "short" });
show("day", { dateStyle: "full", timeZone: "UTC" });
