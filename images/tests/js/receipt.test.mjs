import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { ReceiptPoller } from "../../../static/js/upload/receipt.js";

const now = performance.now;
let clock = 0;

beforeEach(() => {
  clock = 0;
  globalThis.document = new EventTarget(); // which the pages of other tests do not hear
  performance.now = () => clock;
  mock.timers.enable({ apis: ["setTimeout"] });
});

afterEach(() => {
  performance.now = now;
  mock.timers.reset();
});

const upload = (id, status = "queued", more = {}) => ({ id, status, ...more });
const temporary = (more = {}) => Object.assign(new Error("later"), { isTemporary: true, ...more });

/** A page that asks a server whose answers come from `answer(path)`, at once or after `lasts` ms. */
function makePage(answer, { isNeeded = () => true, lasts = 0 } = {}) {
  const told = { at: [], asked: [], uploads: [], room: [], failed: [] };
  const api = {
    async get(path) {
      told.at.push(clock);
      told.asked.push(path);
      clock += lasts;
      const given = answer(path);
      if (given instanceof Error) throw given;
      return { results: given, room: { files: 9 }, next_updated_since: "S" };
    },
  };
  const poller = new ReceiptPoller({
    api,
    isNeeded,
    onReceipt(uploads, { room }) {
      told.uploads = uploads.map(({ id, status }) => `${id} ${status}`);
      told.room.push(room.files);
    },
    onRefusal: (problem) => told.failed.push(problem.message),
  });
  return { told, poller };
}

async function pass(milliseconds) {
  for (const end = clock + milliseconds; clock < end; clock += 50) {
    for (let turns = 0; turns < 5; turns += 1) await new Promise(setImmediate);
    mock.timers.tick(50);
  }
  for (let turns = 0; turns < 5; turns += 1) await new Promise(setImmediate);
}

test("it asks once at the start, and no more if nothing is on its way", async () => {
  const { told } = makePage(() => [upload("a", "done")], { isNeeded: () => false });
  await pass(60_000);
  assert.deepEqual([told.asked, told.uploads], [["uploads/"], ["a done"]]);
});

test("while nothing happens it asks less and less often, and never stops", async () => {
  const { told } = makePage(() => [upload("a")]);
  await pass(180_000);
  const waits = told.at.slice(1).map((at, index) => at - told.at[index]);
  assert.ok(waits[0] <= 700 && waits[1] <= 800, waits.slice(0, 3).join());
  assert.ok(waits.every((wait, index) => wait >= (waits[index - 1] ?? 0) - 50));
  assert.ok(waits.at(-1) >= 14_000 && waits.at(-1) <= 15_100);
  assert.ok(told.at.length < 40, `${told.at.length}`); // what a silent server costs in three minutes
});

test("news starts the waits anew", async () => {
  let status = "queued";
  const { told } = makePage(() => [upload("a", status), upload("b")]);
  await pass(100_000);
  status = "done";
  const before = told.at.length;
  await pass(15_100);
  const [heard, next] = told.at.slice(before);
  assert.ok(next - heard <= 700, `${next - heard}`);
});

test("half of the photos that are done within some seconds are shown within half a second", async () => {
  const delays = [];
  for (let doneAt = 1000; doneAt < 4000; doneAt += 130) {
    clock = 0;
    const { told } = makePage(() => [upload("a", clock >= doneAt ? "done" : "queued")], {
      isNeeded: () => told.uploads[0] !== "a done",
    });
    await pass(5000);
    delays.push(told.at.at(-1) - doneAt);
    assert.ok(told.at.length <= 7, `${told.at.length}`);
  }
  delays.sort((one, other) => one - other);
  assert.ok(delays[Math.floor(delays.length / 2)] <= 500, delays.join());
});

test("one lost answer does not end it", async () => {
  const answers = [[upload("a")], temporary(), temporary(), [upload("a", "done")]];
  const { told } = makePage(() => answers.shift() ?? [upload("a", "done")]);
  await pass(4000);
  assert.deepEqual([told.uploads, told.failed], [["a done"], []]);
});

test("nor does the very first one that is lost, even if nothing seems to be on its way", async () => {
  const answers = [temporary(), [upload("a", "done")]];
  const { told } = makePage(() => answers.shift(), { isNeeded: () => false });
  await pass(60_000);
  assert.deepEqual([told.uploads, told.asked.length], [["a done"], 2]);
});

test("a problem that does not pass is told, once, and ends it", async () => {
  const { told } = makePage(() => new Error("withdrawn"), { isNeeded: () => false });
  await pass(60_000);
  assert.deepEqual([told.failed, told.asked.length], [["withdrawn"], 1]);
});

test("a server that asks for a rest gets it, whatever arrives meanwhile", async () => {
  const answers = [[upload("a")], temporary({ retryAfter: 20 })];
  const { told, poller } = makePage(() => answers.shift() ?? [upload("a", "done")]);
  await pass(5000);
  poller.soon();
  await pass(30_000);
  assert.ok(told.at[2] - told.at[1] >= 20_000, told.at.join());
});

test("a server that is slow is left alone for longer", async () => {
  const { told } = makePage(() => [upload("a")], { lasts: 500 });
  await pass(10_000);
  assert.ok(told.at[1] - told.at[0] >= 4000, told.at.join());
});

test("arrivals bring the next question forward, and do not put it off", async () => {
  const { told, poller } = makePage(() => [upload("a")]);
  await pass(60_000);
  const before = told.at.length;
  for (let arrivals = 0; arrivals < 20; arrivals += 1) {
    poller.soon();
    await pass(300);
  }
  const asked = told.at.slice(before);
  assert.ok(asked.length >= 6, `${asked.length}`);
});

test("after the first answer it asks for the news, and the list stays whole, newest first", async () => {
  const answers = [[upload("b"), upload("a")], [upload("a", "done")], [upload("c")], []];
  const { told } = makePage(() => answers.shift() ?? []);
  await pass(4000);
  assert.deepEqual(told.asked.slice(0, 3), ["uploads/", ...Array(2).fill("uploads/?updated_since=S")]);
  assert.deepEqual(told.uploads, ["c queued", "b queued", "a done"]);
  assert.equal(told.room.at(-1), 9);
});

test("now and then, and when somebody looks again, it asks for all of it", async () => {
  const { told } = makePage(() => [upload("a")]);
  await pass(200_000);
  const whole = told.asked.flatMap((path, index) => (path === "uploads/" ? [index] : []));
  assert.deepEqual(whole.slice(0, 2), [0, 20]);
  document.dispatchEvent(new Event("visibilitychange"));
  await pass(1000);
  assert.equal(told.asked.slice(-2).filter((path) => path === "uploads/").length, 1);
});

test("nobody looks: nobody asks", async () => {
  const { told } = makePage(() => [upload("a")]);
  await pass(100);
  document.hidden = true;
  await pass(60_000);
  assert.equal(told.asked.length, 2);
  document.hidden = false;
  document.dispatchEvent(new Event("visibilitychange"));
  await pass(1000);
  assert.equal(told.asked.length, 3);
});

test("an answer that was asked for from now on does not come from the question before", async () => {
  let status = "queued";
  const { told, poller } = makePage(() => [upload("a", status)]);
  status = "done";
  await poller.now();
  assert.deepEqual([told.uploads, told.asked.length], [["a done"], 2]);
});
