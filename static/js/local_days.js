/* Shows the days of a gallery, and that of its event, in the reader's locale and in one format. */

import "./local_time.js";

const { lang } = document.documentElement;
const locale = navigator.languages.find((each) => each.startsWith(lang)) ?? lang;
const day = new Intl.DateTimeFormat(locale, {
  weekday: "short",
  day: "numeric",
  month: "long",
  year: "numeric",
  timeZone: "UTC",
});

/** Again for the days that a script has put into the page since. */
export function showDays() {
  for (const time of document.querySelectorAll("time[data-day]")) {
    time.textContent = day.format(new Date(time.dateTime));
  }
}

showDays();
