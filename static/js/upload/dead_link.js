/* The page of an expired link: what arrived while it was open. */

import "../local_time.js";
import { connect } from "./api.js";
import { deviceSecret } from "./local_storage.js";
import { makeMyPhotos } from "./my_photos.js";
import { watchReceipt } from "./receipt.js";
import { makePreviousUploads, setText } from "./rows.js";

const section = document.getElementById("previous-uploads");
const page = section.dataset;
const api = connect({ root: page.api, token: page.token, device: deviceSecret() });
const spoken = document.getElementById("spoken");

async function refresh() {
  await watch.now();
  return previousUploads.lines();
}

const previousUploads = makePreviousUploads({
  section,
  list: document.getElementById("previous-uploads-list"),
  acts: makeMyPhotos({ api, token: page.token, refresh, tell: (text) => setText(spoken, text) }),
});

const watch = watchReceipt({
  api,
  isNeeded: () => previousUploads.shown().some(({ state }) => state === "stored"),
  received: (uploads) => previousUploads.show(uploads),
  failed() {}, // the page says already that the link is closed
});
