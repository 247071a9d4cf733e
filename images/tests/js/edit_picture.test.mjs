/* Rectangles, steps and sizes of the page that crops and edits. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { make, NotDone } from "../../../static/js/edit_picture/result.js";
import { cut, inRatio, planOf, ratioOf, stepsOf, within } from "../../../static/js/edit_picture/geometry.js";

const photo = { width: 400, height: 300 };
const plain = {
  crop: { x: 0, y: 0, ...photo },
  edge: 0,
  format: "jpeg",
  quality: 85,
  degrees: 0,
  background: "#ffffff",
  filters: [],
  mark: { text: "", position: "top", size: 0.25, opacity: 0.6 },
};

test("a ratio is a number, and none is 0", () => {
  assert.equal(ratioOf("4:3"), 4 / 3);
  assert.equal(ratioOf(""), 0);
});

test("what is moved beyond the photo keeps its size", () => {
  assert.deepEqual(within({ x: 350, y: -9, width: 100, height: 50 }, photo), { x: 300, y: 0, width: 100, height: 50 });
});

test("what is too large is made smaller in its ratio", () => {
  assert.deepEqual(within({ x: 0, y: 0, width: 900, height: 900 }, photo, 1), { x: 0, y: 0, width: 300, height: 300 });
});

test("an edge that is dragged outside ends at the photo", () => {
  assert.deepEqual(cut({ x: -20, y: 10, width: 100, height: 900 }, photo), { x: 0, y: 10, width: 80, height: 290 });
});

test("another ratio keeps the middle", () => {
  assert.deepEqual(inRatio({ x: 0, y: 0, ...photo }, photo, 1), { x: 50, y: 0, width: 300, height: 300 });
});

test("what changes nothing is no step", () => {
  assert.deepEqual(stepsOf(plain, photo), { format: "jpeg", quality: 85 });
  assert.deepEqual(stepsOf({ ...plain, format: "png", degrees: 360 }, photo), { format: "png" });
});

test("every step is one of the API", () => {
  const chosen = {
    ...{ crop: { x: 1, y: 2, width: 30, height: 40 }, edge: 20, format: "webp", quality: 50 },
    ...{ degrees: 92.5, background: "#000000", flip: true, mirror: true, filters: ["sepia"] },
    mark: { text: "The Band", position: "top", size: 0.3, opacity: 0.5 },
  };
  assert.deepEqual(stepsOf(chosen, photo), {
    crop: { x: 1, y: 2, width: 30, height: 40 },
    resize: { width: 20, height: 20, mode: "fit" },
    rotate: { degrees: 92.5, background: "#000000" },
    flip: true,
    mirror: true,
    filters: { sepia: true },
    watermark: { text: "The Band", position: "top", size: 0.3, opacity: 0.5 },
    format: "webp",
    quality: 50,
  });
});

// The same numbers as images/tests/test_transform_steps.py: what is announced is what is made.
for (const [steps, size] of [
  [{}, [400, 300]],
  [{ rotate: { degrees: 90 } }, [300, 400]],
  [{ rotate: { degrees: 45 } }, [495, 495]],
  [{ rotate: { degrees: 45, expand: false } }, [400, 300]],
  [{ crop: { x: 0, y: 0, width: 100, height: 50 }, resize: { width: 40, height: 40, mode: "fit" } }, [40, 20]],
  [{ resize: { width: 900, height: 900, mode: "fit" } }, [400, 300]],
  [{ resize: { width: 200 } }, [200, 150]],
  [{ resize: { width: 100, height: 100, mode: "fill" } }, [100, 100]],
  [{ resize: { width: 100, height: 10, mode: "exact" } }, [100, 10]],
]) {
  test(`the size of ${JSON.stringify(steps)}`, () => {
    const found = planOf(steps, photo).size;
    assert.deepEqual([found.width, found.height], size);
  });
}

test("a box that is filled shows the middle", () => {
  const { source } = planOf({ resize: { width: 100, height: 100, mode: "fill" } }, photo);
  assert.deepEqual(source, { x: 50, y: 0, width: 300, height: 300 });
});

const answering = (made) => ({ post: async () => ({ hash: "abc", status: "done", ...made }) });

test("a picture of the file that was seen is taken", async () => {
  const path = await make(answering({ version: 2 }), { image: "x", version: "2" }, {});
  assert.equal(path, "images/x/transforms/abc/");
});

test("a picture of a file that replaced it is not", async () => {
  await assert.rejects(make(answering({ version: 3 }), { image: "x", version: "2" }, {}), NotDone);
});
