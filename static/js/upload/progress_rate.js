/* The progress bar, and the estimate of how long the rest takes, from the rate of the last seconds. */

import { formatSize, t } from "./messages.js";
import { setText } from "./rows.js";
import { NOT_SENT } from "./states.js";

const SETTLE_MS = 4000; // before that, nothing is known
const MEMORY_MS = 15_000;
// The estimate changes only if it is wrong by so many minutes, or by this share of it.
const MIN_CHANGE = 0.75;
const MIN_CHANGE_SHARE = 0.15;

/** Makes drawProgress(items, isBusy). */
export function makeProgressBar() {
  const byId = (id) => document.getElementById(id);
  const minutesLeft = makeProgressRate();
  return function drawProgress(items, isBusy) {
    const progress = { sent: 0, total: 0, isMoving: false };
    for (const { state, bytes, file } of items) {
      if (NOT_SENT.has(state) || ["cancelled", "here", "copy", "deleted"].includes(state)) continue;
      progress.sent += Math.min(bytes, file.size);
      progress.total += file.size;
      progress.isMoving ||= state === "sending";
    }
    const { sent, total } = progress;
    byId("progress").hidden = !(isBusy && total);
    byId("progress-bar").value = total && sent / total;
    setText(byId("progress-message"), progressMessage(progress, minutesLeft(progress)));
  };
}

/** "3 MB of 12 MB, about 2 minutes left", or without the time if `minutes` is null. */
function progressMessage({ sent, total }, minutes) {
  const amount = t("amount", { sent: formatSize(sent), total: formatSize(total) });
  if (minutes === null) return amount;
  if (minutes >= 90) return `${amount} · ${t("hoursLeft", { count: Math.round(minutes / 60) })}`;
  return `${amount} · ${t(minutes ? "minutesLeft" : "momentLeft", { count: minutes })}`;
}

/**
 * Makes minutesLeft({sent, total, isMoving}, now): whole minutes, 0 for less than one, or null
 * while it is unknown.
 */
export function makeProgressRate() {
  let rate = 0; // bytes per millisecond, an exponential average
  let weight = 0; // the sum of the average's weights: 0 at the start, then towards 1
  let last = null;
  let movedFor = 0;
  let shown = null;

  return function minutesLeft({ sent, total, isMoving }, now = performance.now()) {
    const before = last;
    last = { sent, now };
    if (!isMoving || !before || total === 0) {
      // A pause says nothing about the network after it.
      if (!isMoving) last = shown = null;
      return null;
    }
    const elapsed = now - before.now;
    if (elapsed > 0) {
      const share = 1 - Math.exp(-elapsed / MEMORY_MS);
      rate += share * ((sent - before.sent) / elapsed - rate);
      weight += share * (1 - weight);
      movedFor += elapsed;
    }
    if (movedFor < SETTLE_MS || rate <= 0) return null;
    const minutes = (total - sent) / (rate / weight) / 60_000;
    const margin = shown ? Math.max(MIN_CHANGE, MIN_CHANGE_SHARE * shown) : 1;
    const isNear = shown !== null && Math.abs(minutes - shown) < margin;
    if (!isNear || minutes < MIN_CHANGE) {
      shown = minutes < MIN_CHANGE ? 0 : Math.max(1, Math.round(minutes));
    }
    return shown;
  };
}
