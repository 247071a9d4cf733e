/* The headline over all rows. It depends on nothing but the rows, whether the browser is online and
   why the link is closed. */

import { t } from "./messages.js";
import { NOT_SENT, displayed, isSettled } from "./states.js";

// The states that are counted by name, in this order; the messages are `hereCount` and so on.
const COUNTED =
  "here copy rejected refused failed unconfirmed interrupted cancelled deleted".split(" ");
const MAX_REASONS = 2;

/** The number of rows of each kind. Each row counts once. */
export function tally(rows) {
  const counts = { onTheWay: 0, arrived: 0, ...Object.fromEntries(COUNTED.map((state) => [state, 0])) };
  for (const { state } of rows) {
    const rest = ["stored", "ready"].includes(state) ? "arrived" : "onTheWay";
    counts[state in counts ? state : rest] += 1;
  }
  return counts;
}

/** The message that says why no photo moves, or "" while one does. */
export function pauseReasonOf(rows, isOnline) {
  const unsettled = rows.filter(({ state }) => !isSettled(state));
  if (unsettled.length && !isOnline) return "offline";
  if (unsettled.some(({ state }) => state === "sending")) return "";
  const paused = unsettled.filter(({ state }) => displayed(state) === "paused");
  return paused.at(-1)?.pauseReason ?? "";
}

/**
 * [how many of how many arrived and what became of the others, what that means for the guest].
 * `rows` are {state, detail, pauseReason}; `closed` says why the link takes nothing more, or "".
 */
export function headline(rows, { isOnline = true, closed = "" } = {}) {
  const counts = tally(rows);
  const { onTheWay, arrived } = counts;
  const total = rows.length - counts.cancelled - counts.deleted;
  const pauseReason = pauseReasonOf(rows, isOnline);
  const count = [
    total && t("arrived", { count: arrived, total }),
    ...COUNTED.map((state) => counts[state] && t(`${state}Count`, { count: counts[state] })),
  ];
  const meaning = [pauseReason && t(pauseReason), closed, ...reasons(rows, closed)];
  if (onTheWay) meaning.push(t("keepOpen"));
  else if (counts.interrupted) meaning.push(t("nothingIsSent"));
  else if (total && !counts.refused && !counts.failed && !counts.unconfirmed) meaning.push(t("thanks"));
  return [count.filter(Boolean).join(", "), meaning.filter(Boolean).join(" ")];
}

/** Why photos were not sent, unless there are too many reasons to read. */
function reasons(rows, closed) {
  const details = rows.filter(({ state }) => NOT_SENT.has(state)).map(({ detail }) => detail);
  const known = [...new Set(details)].filter((detail) => detail && !closed.startsWith(detail));
  return known.length > MAX_REASONS ? [t("rowsSayWhy")] : known;
}
