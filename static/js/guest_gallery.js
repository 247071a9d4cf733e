/* The gallery behind a guest's link: its lightbox, and what only the device of the guest is shown. */

import { showDays } from "./local_days.js";
import { watchBroken } from "./gallery/broken.js";
import { makeLightbox } from "./gallery/lightbox.js";
import { watchNews } from "./gallery/news.js";
import { getItem } from "./upload/local_storage.js";

const TIMEOUT_MS = 20_000;

function start() {
  const grid = document.getElementById("grid");
  if (!grid) return;
  makeLightbox(grid);
  watchBroken(grid);
}

/** Takes the photos from a newer version of this page. */
function takeNew(page) {
  for (const id of ["grid", "paging"]) {
    const [old, fresh] = [document, page].map((each) => each.getElementById(id));
    if (old && fresh) old.replaceChildren(...fresh.children);
  }
  showDays();
}

/** Fills the part of the page that the server left empty, because it does not know the device. */
async function showOwn(part, device) {
  const answer = await fetch("own/", {
    method: "POST",
    body: new URLSearchParams({ device, part: part.dataset.own }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!answer.ok) return;
  part.innerHTML = await answer.text();
  showDays();
  if (part.dataset.own === "grid") start();
}

const news = document.getElementById("news");
if (news) watchNews(news, takeNew);
const part = document.querySelector("[data-own]");
const device = getItem("device");
start();
// Without an answer the page stays as it is: what all guests see is there.
if (part && device) showOwn(part, device).catch(() => {});
