/* Asks now and then whether a wall shows one of the guest's photos, and says so once. */

import { t } from "./messages.js";

const EVERY_MS = 30_000;
const LAST = 240; // questions of one page: two hours

export function watchWall({ refresh, notify, everyMs = EVERY_MS }) {
  let known = null;
  let count = 0;

  async function ask() {
    const uploads = document.hidden ? null : await refresh();
    const shown = uploads?.filter(({ gallery }) => gallery === "on-wall").length;
    // What was there before the page was opened is no news.
    if (known !== null && shown > known) notify(t("on-wall"));
    known = shown ?? known;
    count += 1;
    if (count < LAST) setTimeout(ask, everyMs);
  }

  return ask();
}
