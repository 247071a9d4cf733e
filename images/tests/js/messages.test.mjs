import assert from "node:assert/strict";
import { test } from "node:test";
import { ARRIVED, SETTLED, keyOf, stateOf } from "../../../static/js/upload/states.js";
import { refusalMessage, formatSize, stateMessage } from "../../../static/js/upload/messages.js";

test("every status of the server is a state, and one nobody knows is unfinished", () => {
  const statuses = ["queued", "processing", "done", "duplicate", "failed", "pending", "new"];
  assert.deepEqual(
    statuses.map((status) => stateOf({ status })),
    ["stored", "stored", "ready", "here", "failed", "interrupted", "interrupted"],
  );
});

test("nothing counts as arrived that is not settled", () => {
  assert.ok([...ARRIVED].every((state) => SETTLED.has(state)));
  for (const state of ["waiting", "sending", "paused"]) assert.ok(!SETTLED.has(state));
});

test("files with another name, size or time are different", () => {
  const keys = new Set([keyOf("a", 1, 2), keyOf("b", 1, 2), keyOf("a", 2, 2), keyOf("a", 1, 3)]);
  assert.equal(keys.size, 4);
});

test("no state is without words, and only what arrived says so", () => {
  for (const state of ["waiting", "sending", "paused", "interrupted", ...SETTLED]) {
    const words = stateMessage({ state, detail: "", bytes: 1, size: 10 });
    assert.ok(words !== state, state);
    const isSaid = /^(Arrived|Already here)/.test(words);
    assert.equal(isSaid, ["stored", "ready", "here"].includes(state), words);
  }
});

test("a rejection is told, with the reason if one stands", () => {
  const rejection = (detail) => stateMessage({ state: "rejected", detail });
  assert.match(rejection(""), /do not show it to other guests\.$/);
  assert.match(rejection("Too dark"), /other guests: Too dark$/);
});

test("a file is 100 % only once the server says so", () => {
  const words = (bytes) => stateMessage({ state: "sending", bytes, size: 1000 });
  assert.match(words(999), /99\s?%/);
  assert.doesNotMatch(words(1000), /100|Arrived/);
});

test("what cannot be sent is said with the limit", () => {
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
