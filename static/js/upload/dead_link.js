/* The page of an expired link: what arrived while it was open. */

import "../local_time.js";
import { connect } from "./api.js";
import { deviceSecret } from "./memory.js";
import { makeOwn } from "./own.js";
import { watchReceipt } from "./receipt.js";
import { makePast, setText } from "./rows.js";

const section = document.getElementById("past");
const page = section.dataset;
const api = connect({ root: page.api, token: page.token, device: deviceSecret() });
const spoken = document.getElementById("spoken");

async function refresh() {
  await watch.now();
  return past.lines();
}

const past = makePast({
  section,
  list: document.getElementById("past-list"),
  acts: makeOwn({ api, token: page.token, refresh, tell: (text) => setText(spoken, text) }),
});

const watch = watchReceipt({
  api,
  isNeeded: () => past.shown().some(({ state }) => state === "stored"),
  received: (uploads) => past.show(uploads),
  failed() {}, // the page says already that the link is closed
});
