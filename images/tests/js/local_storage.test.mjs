import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { deviceSecret, randomHex, getItem, setItem } from "../../../static/js/upload/local_storage.js";

afterEach(() => delete globalThis.localStorage);

function storage() {
  const kept = new Map();
  globalThis.localStorage = {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => kept.set(name, value),
  };
  return kept;
}

test("what is remembered is there on the next visit, under a name of ours", () => {
  const kept = storage();
  setItem("name", "Cleo");
  assert.equal(getItem("name"), "Cleo");
  assert.deepEqual([...kept], [["bandpics.name", "Cleo"]]);
});

test("where storage is forbidden it is remembered until the tab closes", () => {
  Object.defineProperty(globalThis, "localStorage", {
    configurable: true,
    get() {
      throw new Error("SecurityError");
    },
  });
  setItem("mood", "good");
  assert.equal(getItem("mood"), "good");
  assert.equal(getItem("nothing"), null);
});

test("the device's secret is 128 bits, and stays", () => {
  storage();
  const secret = deviceSecret();
  assert.match(secret, /^[0-9a-f]{32}$/);
  assert.equal(deviceSecret(), secret);
});

test("a spoilt secret is replaced", () => {
  storage().set("bandpics.device", "<script>");
  assert.match(deviceSecret(), /^[0-9a-f]{32}$/);
});

test("no two ids are the same", () => {
  assert.equal(new Set(Array.from({ length: 1000 }, () => randomHex())).size, 1000);
});
