import assert from "node:assert/strict";
import { test } from "node:test";

import { makeProgressRate } from "../../../static/js/upload/progress_rate.js";

const MB = 1e6;

/** What is told each 150 ms while bytes leave at `rateAt(seconds)` a second. */
function told({ total, seconds, rateAt, isMovingAt = () => true }) {
  const tell = makeProgressRate();
  const answers = [];
  let sent = 0;
  for (let now = 0; now <= seconds * 1000; now += 150) {
    answers.push(tell({ sent, total, isMoving: isMovingAt(now / 1000) }, now));
    if (isMovingAt(now / 1000)) sent += 0.15 * rateAt(now / 1000);
  }
  return answers;
}

test("it says nothing before anybody can know", () => {
  const answers = told({ total: 100 * MB, seconds: 3.9, rateAt: () => MB });
  assert.deepEqual(new Set(answers), new Set([null]));
});

test("it counts down in whole minutes, and never up, while the rate is the same", () => {
  const answers = told({ total: 240 * MB, seconds: 239, rateAt: () => MB }).filter(
    (answer) => answer !== null,
  );
  assert.deepEqual([...new Set(answers)], [4, 3, 2, 1, 0]);
  assert.deepEqual(answers, [...answers].sort((one, other) => other - one));
});

test("a gusty network does not make it jump", () => {
  // Half of the seconds nothing, the others double: on average as above.
  const gusts = (seconds) => (Math.floor(seconds) % 2 ? 2 * MB : 0);
  const answers = told({ total: 600 * MB, seconds: 60, rateAt: gusts }).slice(100);
  assert.ok(Math.min(...answers) >= 8 && Math.max(...answers) <= 11, String(new Set(answers)));
  const changes = answers.filter((answer, index) => index && answer !== answers[index - 1]);
  assert.ok(changes.length <= 8, String(changes));
});

test("a pause says nothing, and is not held against the rate after it", () => {
  const isMovingAt = (seconds) => seconds < 30 || seconds > 90;
  const answers = told({ total: 300 * MB, seconds: 100, rateAt: () => MB, isMovingAt });
  const at = (seconds) => answers[Math.round(seconds / 0.15)];
  assert.equal(at(60), null);
  assert.ok(at(95) >= 4 && at(95) <= 5, String(at(95)));
});

test("a standstill ends the promise of an end", () => {
  const answers = told({ total: 300 * MB, seconds: 100, rateAt: (at) => (at < 20 ? MB : 0) });
  const last = answers.at(-1);
  assert.ok(last === null || last > 100, String(last));
});
