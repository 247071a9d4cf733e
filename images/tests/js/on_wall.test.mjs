/* The news that a wall shows a photo. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { watchWall } from "../../../static/js/upload/on_wall.js";

test("a photo that a wall shows is news once, and what was there before is none", async () => {
  const answers = [["on-wall"], ["on-wall", "approved"], ["on-wall", "on-wall"], ["on-wall", "on-wall"]];
  const told = [];
  await new Promise((resolve) => {
    watchWall({
      everyMs: 1,
      refresh: async () => {
        const answer = answers.shift();
        if (!answers.length) setTimeout(resolve, 20);
        return (answer ?? ["on-wall", "on-wall"]).map((gallery) => ({ gallery }));
      },
      notify: (text) => told.push(text),
    });
  }).then(() => (document.hidden = true));
  assert.equal(told.length, 1);
  assert.match(told[0], /wall/);
});
