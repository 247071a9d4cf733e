import assert from "node:assert/strict";
import { test } from "node:test";
import { headline, pauseReasonOf, tally } from "../../../static/js/upload/headline.js";
import { ARRIVED, NOT_SENT, TRANSITIONS, isSettled } from "../../../static/js/upload/states.js";

const STATES = [...Object.keys(TRANSITIONS).filter((state) => state !== "chosen"), "interrupted"];
const KEEP = "Please keep this page open.";
const THANKS = "Thank you! You can close this page.";

/** `"3 ready, 1 failed: Too big."` as rows. */
function rows(text) {
  return text.split(", ").flatMap((part) => {
    const [, count, state, detail = ""] = /^(\d+) (\w+)(?:: (.*))?$/.exec(part);
    return Array.from({ length: Number(count) }, () => ({ state, detail, pauseReason: "" }));
  });
}

for (const [given, count, meaning] of [
  ["2 ready", "2 of 2 arrived", THANKS],
  ["1 stored, 1 ready, 1 sending", "2 of 3 arrived", KEEP],
  ["10 waiting", "0 of 10 arrived", KEEP],
  ["2 ready, 2 refused: No room.", "2 of 4 arrived, 2 cannot be sent", "No room."],
  [
    "13 ready, 1 here, 4 refused: Too big.",
    "13 of 18 arrived, 1 was already here, 4 cannot be sent",
    "Too big.",
  ],
  ["1 refused: A., 1 refused: B., 1 sending", "0 of 3 arrived, 2 cannot be sent", `A. B. ${KEEP}`],
  [
    "1 refused: A., 1 failed: B., 1 failed: C.",
    "0 of 3 arrived, 1 cannot be sent, 2 failed",
    "Each of them says why.",
  ],
  ["1 ready, 1 copy", "1 of 2 arrived, 1 chosen twice", THANKS],
  ["2 here", "0 of 2 arrived, 2 were already here", THANKS],
  ["1 ready, 1 rejected: Dark", "1 of 2 arrived, 1 not shown by the hosts", THANKS],
  ["1 ready, 300 interrupted", "1 of 301 arrived, 300 not finished", "Nothing is being sent now."],
  ["1 ready, 1 cancelled, 1 deleted", "1 of 1 arrived, 1 cancelled, 1 deleted", THANKS],
  ["1 ready, 1 unconfirmed", "1 of 2 arrived, 1 not confirmed", ""],
  ["5 cancelled", "5 cancelled", ""],
]) {
  test(`${given}: ${count}`, () => {
    assert.deepEqual(headline(rows(given)), [count, meaning]);
  });
}

test("without rows it says nothing, unless the link has ended", () => {
  assert.deepEqual(headline([]), ["", ""]);
  assert.deepEqual(headline([], { closed: "Withdrawn. Ask." }), ["", "Withdrawn. Ask."]);
});

test("every row of every state is counted, once", () => {
  for (let mask = 1; mask < 2 ** STATES.length; mask += 37) {
    const some = STATES.flatMap((state, index) => ((mask >> index) & 1 ? [state, state] : []));
    const all = some.map((state) => ({ state, detail: "", pauseReason: "" }));
    const counted = Object.values(tally(all)).reduce((sum, count) => sum + count, 0);
    assert.equal(counted, all.length, some.join());
    // The numbers of the line are all there is: those on their way are what is missing to the total.
    const [line] = headline(all);
    const [first, total, ...others] = line.match(/\d+/g).map(Number);
    const given = /of/.test(line) ? [first, ...others] : [first, total ?? 0, ...others];
    const sum = given.reduce((one, other) => one + other, 0);
    assert.equal(sum + tally(all).onTheWay, all.length, line);
  }
});

test("only those on their way ask to keep the page open", () => {
  for (const state of STATES) {
    const [, meaning] = headline(rows(`1 ${state}`));
    assert.equal(meaning.includes(KEEP), !isSettled(state), state);
    assert.equal(meaning.includes("Thank you"), ARRIVED.has(state) || state === "copy", state);
  }
  assert.ok([...NOT_SENT].every(isSettled));
});

const row = (state, pauseReason = "") => ({ state, detail: "", pauseReason });

for (const [what, given, pauseReason] of [
  ["all that are on their way are paused", [row("paused", "storeAway"), row("waiting")], "storeAway"],
  ["it is tried again later", [row("deferred", "storeAway"), row("announced")], "storeAway"],
  ["one of them is sent", [row("paused", "storeAway"), row("sending", "portal")], ""],
  ["nothing is on its way", [row("ready", "portal"), row("interrupted")], ""],
  ["nothing has begun", [row("waiting"), row("announcing")], ""],
  ["the last one counts", [row("paused", "serverAway"), row("paused", "portal")], "portal"],
]) {
  test(`why no photo moves, where ${what}`, () => {
    assert.equal(pauseReasonOf(given, true), pauseReason);
  });
}

test("offline is said of what is on its way, and of nothing else", () => {
  assert.equal(pauseReasonOf([row("sending")], false), "offline");
  assert.equal(pauseReasonOf([row("ready"), row("interrupted")], false), "");
  const [count, meaning] = headline([row("ready"), row("waiting")], { isOnline: false });
  assert.equal(count, "1 of 2 arrived");
  assert.equal(meaning, `You are offline. It goes on by itself. ${KEEP}`);
});

test("a link that was withdrawn is said once", () => {
  const refused = { state: "refused", detail: "Withdrawn", pauseReason: "" };
  const [count, meaning] = headline([row("stored"), row("ready"), ...Array(8).fill(refused)], {
    closed: "Withdrawn. Ask for a new one.",
  });
  assert.equal(count, "2 of 10 arrived, 8 cannot be sent");
  assert.equal(meaning, "Withdrawn. Ask for a new one.");
});
