import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Aborted } from "../../../static/js/upload/retry.js";
import { PutFailed, put, stallLimit } from "../../../static/js/upload/transfer.js";
import { install, requests } from "./fake_xhr.mjs";

const signed = { method: "PUT", url: "https://store/x", headers: { "Content-Type": "image/jpeg" } };
const blob = new Blob(["0123456789"]);

beforeEach(install);

test("the method, the address and exactly the signed headers are used", async () => {
  const done = put(signed, blob, { stallMs: 15_000 });
  const [request] = requests;
  request.answer(200);
  await done;
  assert.deepEqual(
    [request.method, request.url, request.headers, request.body],
    ["PUT", signed.url, signed.headers, blob],
  );
});

test("progress is told, and never more than there is", async () => {
  const told = [];
  const done = put(signed, blob, { stallMs: 15_000, onProgress: (bytes) => told.push(bytes) });
  requests[0].progress(4);
  requests[0].progress(12);
  requests[0].answer(204);
  await done;
  assert.deepEqual(told, [4, 10]);
});

for (const [status, tries] of [[403, 4], [404, 4], [400, 4], [408], [429], [500], [503]]) {
  test(`${status} is temporary, ${tries ?? "any number of"} times`, async () => {
    const done = put(signed, blob, { stallMs: 15_000 });
    requests[0].answer(status);
    const error = await done.catch((error) => error);
    assert.ok(error instanceof PutFailed && error.isTemporary);
    assert.deepEqual([error.status, error.tries], [status, tries]);
  });
}

test("no answer after the last byte may mean that it arrived", async () => {
  for (const [bytes, wasSentWhole] of [[3, false], [10, true]]) {
    const done = put(signed, blob, { stallMs: 15_000 });
    requests.at(-1).progress(bytes);
    requests.at(-1).lose();
    const error = await done.catch((error) => error);
    assert.deepEqual([error.status, error.isSilent, error.wasSentWhole], [0, false, wasSentWhole]);
  }
});

test("silence is noticed, and only silence", async () => {
  let now = 0;
  mock.method(performance, "now", () => now);
  mock.timers.enable({ apis: ["setInterval"] });
  const tick = (milliseconds) => {
    now += milliseconds;
    mock.timers.tick(1000);
  };
  let failure = null;
  const done = put(signed, blob, { stallMs: 15_000 }).catch((error) => (failure = error));
  const [request] = requests;
  for (let second = 0; second < 14; second += 1) tick(1000);
  request.progress(1); // a byte: the count begins anew
  for (let second = 0; second < 14; second += 1) tick(1000);
  request.progress(1); // none
  tick(500);
  await new Promise(setImmediate);
  assert.equal(failure, null);
  tick(500);
  await done;
  assert.ok(failure.isSilent && request.isAborted);
  mock.timers.reset();
  mock.restoreAll();
});

test("a phone that slept for an hour is given time to wake up", async () => {
  let now = 0;
  mock.method(performance, "now", () => now);
  mock.timers.enable({ apis: ["setInterval"] });
  const done = put(signed, blob, { stallMs: 15_000 });
  now += 3_600_000;
  mock.timers.tick(1000);
  assert.equal(requests[0].isAborted, false);
  requests[0].answer(200);
  await done;
  mock.timers.reset();
  mock.restoreAll();
});

test("aborted, so is the request", async () => {
  const off = new AbortController();
  const done = put(signed, blob, { stallMs: 15_000, signal: off.signal });
  off.abort();
  await assert.rejects(done, Aborted);
  assert.ok(requests[0].isAborted);
});

test("aborted before it began, nothing is sent", async () => {
  const signal = AbortSignal.abort();
  await assert.rejects(put(signed, blob, { stallMs: 15_000, signal }), Aborted);
  assert.deepEqual(requests, []);
});

test("each stall makes the next one take longer, up to two minutes", () => {
  const limits = [0, 1, 2, 3, 4, 9].map((count) => stallLimit(15_000, count));
  assert.deepEqual(limits, [15_000, 30_000, 60_000, 120_000, 120_000, 120_000]);
});
