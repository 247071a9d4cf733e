import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Aborted, backoff, retry, waitForNetwork } from "../../../static/js/upload/retry.js";

const temporary = (more = {}) => Object.assign(new Error("later"), { isTemporary: true, ...more });

/** Runs `work` while the clock jumps from timer to timer; also how many milliseconds passed. */
async function hurried(work) {
  mock.timers.enable({ apis: ["setTimeout"] });
  const waits = [];
  const setTimeout = globalThis.setTimeout;
  globalThis.setTimeout = (done, milliseconds) => {
    waits.push(milliseconds);
    return setTimeout(done, 0);
  };
  let isDone = false;
  const result = work().finally(() => (isDone = true));
  result.catch(() => {});
  while (!isDone) {
    mock.timers.tick(1);
    await new Promise(setImmediate);
  }
  globalThis.setTimeout = setTimeout;
  mock.timers.reset();
  return { result, waits };
}

test("waits double up to half a minute and are shortened by up to half", () => {
  const longest = [0, 1, 2, 3, 4, 5, 6, 50].map((attempt) => backoff(attempt, () => 0));
  assert.deepEqual(longest, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  assert.equal(backoff(2, () => 1), 2000);
});

test("what is temporary is tried until it works", async () => {
  let tries = 0;
  let told = 0;
  const work = async () => {
    tries += 1;
    if (tries < 12) throw temporary();
    return "done";
  };
  const { result, waits } = await hurried(() => retry(work, { onWait: () => (told += 1) }));
  assert.equal(await result, "done");
  assert.deepEqual([waits.length, told], [11, 11]);
});

test("what is not temporary is told at once", async () => {
  const final = new Error("never");
  await assert.rejects(retry(() => Promise.reject(final)), final);
});

test("an error that carries `tries` is tried so often", async () => {
  let tries = 0;
  const work = async () => {
    tries += 1;
    throw temporary({ tries: 4 });
  };
  const { result } = await hurried(() => retry(work));
  await assert.rejects(result, /later/);
  assert.equal(tries, 4);
});

test("the server says how long to wait, within reason", async () => {
  const answers = [temporary({ retryAfter: 7 }), temporary({ retryAfter: 1e9 })];
  const work = async () => {
    if (answers.length) throw answers.shift();
  };
  const { waits } = await hurried(() => retry(work));
  // More than 24 days would overflow a timer, which then does not wait at all.
  assert.deepEqual(waits, [7000, 300_000]);
});

test("aborted, it stops before it tries", async () => {
  const { signal } = Object.assign(new AbortController());
  const off = AbortSignal.abort();
  await assert.rejects(retry(() => assert.fail("tried"), { signal: off }), Aborted);
  assert.equal(await retry(async () => 1, { signal }), 1);
});

test("aborted while it waits, it stops at once", async () => {
  const off = new AbortController();
  const work = () => Promise.reject(temporary({ retryAfter: 200 }));
  const stopping = retry(work, { signal: off.signal, onWait: () => queueMicrotask(() => off.abort()) });
  await assert.rejects(stopping, Aborted);
});

test("aborted before it waits, it does not wait", async () => {
  const off = new AbortController();
  const work = () => Promise.reject(temporary({ retryAfter: 200 }));
  await assert.rejects(retry(work, { signal: off.signal, onWait: () => off.abort() }), Aborted);
});

test("a network that comes back ends the wait", async () => {
  globalThis.window = new EventTarget();
  const waiting = waitForNetwork(60_000);
  globalThis.window.dispatchEvent(new Event("online"));
  await waiting;
  delete globalThis.window;
});

test("so does a phone that comes out of the pocket", async () => {
  const waiting = waitForNetwork(60_000);
  document.dispatchEvent(new Event("visibilitychange"));
  await waiting;
});
