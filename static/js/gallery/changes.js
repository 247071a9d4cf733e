/* What is done with photos of the gallery: approve, reject, trash, move, and undo the latter two. */

import { changeMany } from "../desk/bulk.js";
import { t } from "../upload/messages.js";

const LEAVES = new Set(["trash", "move"]); // the grid
const idOf = (tile) => tile.dataset.id;

/** `say(text, canUndo)` shows what was done; `onChange()` is called when tiles came or went. */
export function makeChanges({ api, group, say, onChange }) {
  let undoLast = null;

  async function change(tiles, action, { to, ...more } = {}) {
    const ids = tiles.map(idOf);
    if (LEAVES.has(action)) show(tiles, false);
    try {
      const others = await changeMany(api, { ids, action, ...more });
      const done = tiles.filter((tile) => !others.includes(idOf(tile)));
      show(tiles.filter((tile) => !done.includes(tile)), true);
      for (const tile of done) mark(tile, action);
      undoLast = LEAVES.has(action) ? () => bringBack(done) : null;
      say(sentences(action, done.length, others.length, to), Boolean(undoLast && done.length));
    } catch (problem) {
      show(tiles, true);
      say(t("notDone", { why: problem.message }), false);
    }
    onChange();
  }

  async function bringBack(tiles) {
    const ids = tiles.map(idOf);
    const body = tiles[0]?.dataset.gone === "move" ? { ids, action: "move", group } : { ids, action: "restore" };
    const others = await changeMany(api, body);
    const back = tiles.filter((tile) => !others.includes(idOf(tile)));
    // Newer photos have come, and with them other tiles.
    if (back.some((tile) => !tile.isConnected)) return location.reload();
    for (const tile of back) delete tile.dataset.gone;
    show(back, true);
    say([back.length && t("undone", { count: back.length }), others.length && t("stayAway", { count: others.length })], false);
  }

  function show(tiles, isShown) {
    for (const tile of tiles) tile.hidden = !isShown;
    onChange();
  }

  async function attempt(work, canTryAgain) {
    try {
      await work();
    } catch (problem) {
      say(t("notDone", { why: problem.message }), canTryAgain);
    }
    onChange();
  }

  return {
    change,
    bringBack: (tiles) => attempt(() => bringBack(tiles), false),
    undo: () => undoLast && attempt(undoLast, true),
  };
}

/** So that the lightbox, which keeps the photo, says it. */
function mark(tile, action) {
  if (LEAVES.has(action)) tile.dataset.gone = action;
  if (action === "approve") delete tile.dataset.moderation;
  if (action === "reject") tile.dataset.moderation = "rejected";
  const isRejected = tile.dataset.moderation === "rejected";
  const shown = tile.querySelector(".new-mark.is-state");
  if (!isRejected) shown?.remove();
  else if (!shown) {
    const made = Object.assign(document.createElement("span"), { className: "new-mark is-state", textContent: t("rejected") });
    tile.querySelector("a").append(made);
  }
}

function sentences(action, done, others, to) {
  return [done && t(`done:${action}`, { count: done, group: to }), others && t("changedMeanwhile", { count: others })];
}
