import assert from "node:assert/strict";
import { test } from "node:test";
import { formatSize, refusalMessage, stateMessage } from "../../../static/js/upload/messages.js";
import { TRANSITIONS, displayed } from "../../../static/js/upload/states.js";

test("every state has a message, and only that of an arrived photo says so", () => {
  const { chosen, ...lasting } = TRANSITIONS;
  for (const state of [...Object.keys(lasting), "interrupted"].map(displayed)) {
    const message = stateMessage({ state, detail: "", bytes: 1, size: 10 });
    assert.ok(message !== state, state);
    const saysArrived = /^(Arrived|Already here)/.test(message);
    assert.equal(saysArrived, ["stored", "ready", "here"].includes(state), message);
  }
});

test("a rejection says its reason, if there is one", () => {
  const rejection = (detail) => stateMessage({ state: "rejected", detail });
  assert.match(rejection(""), /do not show it to other guests\.$/);
  assert.match(rejection("Too dark"), /other guests: Too dark$/);
});

test("a file is 100 % only once the server says so", () => {
  const message = (bytes) => stateMessage({ state: "sending", bytes, size: 1000 });
  assert.match(message(999), /99\s?%/);
  assert.doesNotMatch(message(1000), /100|Arrived/);
});

test("a refusal names the limit", () => {
  const limits = { accept: new Set(["image/jpeg"]), formats: "JPEG", maxBytes: 250 * 1024 * 1024 };
  const refusal = (file) => refusalMessage(file, limits);
  assert.equal(refusal({ type: "image/jpeg", size: 1 }), "");
  assert.equal(refusal({ type: "IMAGE/JPEG", size: 1 }), "");
  assert.equal(refusal({ type: "", size: 1 }), ""); // HEIC on many Androids
  assert.match(refusal({ type: "image/gif", size: 1 }), /JPEG/);
  assert.match(refusal({ type: "image/jpeg", size: 251 * 1024 * 1024 }), /250 MB/);
  assert.match(refusal({ type: "image/jpeg", size: 0 }), /empty/);
});

test("sizes are short", () => {
  assert.deepEqual([999, 1500, 5_000_000, 262_144_000].map(formatSize), [
    "999 bytes", "2 kB", "4.8 MB", "250 MB",
  ]);
});
