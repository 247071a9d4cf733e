/* The page of an expired link: what arrived while it was open. */

import "../local_time.js";
import { connect } from "./api.js";
import { deviceSecret } from "./memory.js";
import { makePast } from "./past.js";
import { watchReceipt } from "./receipt.js";

const section = document.getElementById("past");
const page = section.dataset;
const past = makePast({ section, list: document.getElementById("past-list") });

watchReceipt({
  api: connect({ root: page.api, token: page.token, device: deviceSecret() }),
  isNeeded: () => past.states().includes("stored"),
  received: (uploads) => past.show(uploads),
  failed() {}, // the page says already that the link is closed
});
