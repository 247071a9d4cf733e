/* The page of an expired link: what was sent while it was open. */

import "../local_time.js";
import { connect } from "./api.js";
import { deviceSecret } from "./local_storage.js";
import { makeMyPhotos } from "./my_photos.js";
import { ReceiptPoller } from "./receipt.js";
import { PreviousUploads, setText } from "./rows.js";

const section = document.getElementById("previous-uploads");
const page = section.dataset;
const api = connect({ root: page.api, token: page.token, device: deviceSecret() });
const spoken = document.getElementById("spoken");

async function refresh() {
  await poller.now();
  return previousUploads.uploads;
}

const previousUploads = new PreviousUploads({
  section,
  list: document.getElementById("previous-uploads-list"),
  actions: makeMyPhotos({
    api,
    token: page.token,
    refresh,
    notify: (text) => setText(spoken, text),
  }),
});

const poller = new ReceiptPoller({
  api,
  isNeeded: () => previousUploads.items.some(({ state }) => state === "stored"),
  onReceipt: (uploads) => previousUploads.show(uploads),
  onRefusal() {}, // the page says already that the link has expired
});
