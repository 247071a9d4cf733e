/* A queue in a tab without a page, and problems for its server to answer. */

import assert from "node:assert/strict";
import { Problem } from "../../../static/js/upload/api.js";
import { UploadQueue } from "../../../static/js/upload/queue.js";

export function problem(status, slug, more = {}) {
  const body = { type: `https://x/problems/${slug}/`, title: slug, detail: `${slug}.`, ...more };
  return new Problem({ status, headers: new Headers() }, body);
}

export const crash = () => problem(500, "internal-error");
export const revoked = () => problem(403, "invitation-revoked");

export const photo = (name, size) => new File([new Uint8Array(size)], name, { lastModified: 1 });

export const ticket = (id, more = {}) => ({
  id,
  status: "pending",
  upload: { method: "PUT", url: id, headers: {} },
  ...more,
});

export async function until(isSo) {
  for (let tries = 0; !isSo(); tries += 1) {
    assert.ok(tries < 1000, `this never became true: ${isSo}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Ends every wait for the network until `isSo()`. */
export async function hurryUntil(isSo) {
  await until(() => {
    if (isSo()) return true;
    globalThis.window.dispatchEvent(new Event("online"));
    return false;
  });
}

/** `transitions` are all that the queue made, as "state event". Impossible events are errors. */
export class RecordedQueue extends UploadQueue {
  transitions = [];

  apply(item, event, change) {
    this.transitions.push(`${item.state} ${event}`);
    const { error } = console;
    console.error = (impossible) => {
      throw impossible;
    };
    try {
      super.apply(item, event, change);
    } finally {
      console.error = error;
    }
  }
}

export function makeTab(api, options = {}) {
  const told = { repeats: 0, closed: [], stored: 0 };
  const queue = new RecordedQueue({
    api,
    timeouts: { stallMs: 15_000, signatureMs: 900_000 },
    refusal: () => null,
    previousUpload: () => undefined,
    about: () => ({ uploader_name: "Cleo" }),
    onChange() {},
    onStored: () => (told.stored += 1),
    onRepeat: () => (told.repeats += 1),
    onClose: ({ slug }) => told.closed.push(slug),
    ...options,
  });
  return { queue, told, states: () => queue.items().map(({ state }) => state) };
}
