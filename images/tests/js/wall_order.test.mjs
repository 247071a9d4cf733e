/* Which photo a wall shows next. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Order } from "../../../static/js/wall/order.js";

const photo = (id, version = 1) => ({ id, version });
const photos = (...ids) => ids.map((id) => photo(id));

function answered(answer, question) {
  const order = new Order();
  order.update({ arrivals: [], round: [], next: null, stays: false, ...answer }, question);
  return order;
}

function shown(order, count) {
  return Array.from({ length: count }, () => {
    const [next] = order.candidates();
    order.show(next);
    return next.id;
  }).join("");
}

test("it goes round", () => {
  assert.equal(shown(answered({ round: photos("a", "b", "c") }), 7), "abcabca");
});

test("what has just arrived comes first, once", () => {
  const order = answered({ round: photos("a", "b", "c") });
  assert.equal(shown(order, 1), "a");
  const round = photos("x", "a", "b", "c");
  order.update({ arrivals: photos("x"), round, next: null, stays: true }, { shows: "a" });
  assert.ok(order.hasArrival());
  assert.equal(shown(order, 4), "xbca");
  assert.ok(!order.hasArrival());
});

test("nothing is shown twice in a row, and one photo stays", () => {
  const order = answered({ round: photos("a", "b") });
  assert.equal(shown(order, 4), "abab");
  order.update({ arrivals: [], round: photos("b"), next: null, stays: true }, { shows: "b" });
  assert.deepEqual(order.candidates(), []);
  assert.equal(order.current.id, "b");
});

test("another file of the photo on the screen is another picture", () => {
  const order = answered({ round: photos("a") });
  shown(order, 1);
  order.update({ arrivals: [], round: [photo("a", 2)], next: null, stays: true }, { shows: "a" });
  assert.equal(order.candidates()[0].version, 2);
});

test("the next window is wanted once this one was shown, and begins where it ended", () => {
  const order = answered({ round: photos("a", "b"), next: "after-b" });
  shown(order, 1);
  assert.equal(order.wanted(), "");
  shown(order, 1);
  assert.equal(order.wanted(), "after-b");
  order.update({ arrivals: [], round: photos("c", "d"), next: "x", stays: true }, {
    after: "after-b",
    shows: "b",
  });
  assert.equal(shown(order, 2), "cd");
});

test("without an answer, what was shown longest ago comes again", () => {
  const order = answered({ round: photos("a", "b", "c"), next: "after-c" });
  assert.equal(shown(order, 9), "abcabcabc");
});

test("what has left the group is forgotten, on the screen too", () => {
  const order = answered({ round: photos("a", "b") });
  shown(order, 1);
  const gone = { arrivals: [], round: photos("b"), next: null, stays: false };
  assert.equal(order.update(gone, { shows: "a" }), false);
  assert.equal(order.current, null);
  assert.equal(shown(order, 1), "b");
});

test("an answer about an earlier photo says nothing of one that is in none of its lists", () => {
  const order = answered({ round: photos("a", "b") });
  shown(order, 2);
  const late = { arrivals: [], round: photos("a"), next: null, stays: true };
  assert.equal(order.update(late, { shows: "a" }), false);
});

test("its memory is bounded", () => {
  const order = new Order();
  for (let number = 0; number < 2000; number += 1) {
    const one = photo(`p${number}`);
    order.update({ arrivals: [one], round: [one], next: "n", stays: true }, { after: String(number) });
    order.show(one);
  }
  const sizes = [order.arrived.size, order.recent.size, order.passed.size];
  assert.ok(Math.max(...sizes) <= 500, sizes.join());
});
