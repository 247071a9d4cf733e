/* The headline: what all rows together say. It knows nothing but the rows and the two states it is
   given, so it cannot say anything else than they do. */

import { NOT_SENT, SETTLED } from "./states.js";
import { t } from "./messages.js";

// What counts by itself, in the order it is told; `hereCount` and so on are the sentences. Stored
// and ready have arrived, and all others are still on their way.
const TOLD = [
  ...["here", "copy", "rejected", "refused", "failed", "unconfirmed"],
  ...["interrupted", "cancelled", "deleted"],
];
const REASONS = 2;

/** How many rows there are of each kind. Each row counts once. */
export function tally(rows) {
  const counts = { onTheWay: 0, arrived: 0, ...Object.fromEntries(TOLD.map((kind) => [kind, 0])) };
  for (const { state } of rows) {
    const rest = ["stored", "ready"].includes(state) ? "arrived" : "onTheWay";
    counts[state in counts ? state : rest] += 1;
  }
  return counts;
}

/**
 * What keeps the photos from moving, as the name of a sentence; "" as long as one of them moves.
 * Each row that something keeps has that name as `pauseReason`.
 */
export function pauseReasonOf(rows, isOnline) {
  const unsettled = rows.filter(({ state }) => !SETTLED.has(state) && state !== "interrupted");
  if (unsettled.length && !isOnline) return "offline";
  const moving = unsettled.filter(({ state, pauseReason }) => state === "sending" || pauseReason);
  return moving.every(({ pauseReason }) => pauseReason) ? (moving.at(-1)?.pauseReason ?? "") : "";
}

/**
 * [how many of how many arrived and what became of the others, what that means for the person].
 * `rows` are {state, detail, pauseReason}; `closed` says why the link takes nothing any more, or "".
 */
export function headline(rows, { isOnline = true, closed = "" } = {}) {
  const counts = tally(rows);
  const { onTheWay, arrived } = counts;
  const total = rows.length - counts.cancelled - counts.deleted;
  const pauseReason = pauseReasonOf(rows, isOnline);
  const line = [
    total && t("arrived", { count: arrived, total }),
    ...TOLD.map((kind) => counts[kind] && t(`${kind}Count`, { count: counts[kind] })),
  ];
  const meaning = [pauseReason && t(pauseReason), closed, ...reasons(rows, closed)];
  if (onTheWay) meaning.push(t("keepOpen"));
  else if (counts.interrupted) meaning.push(t("nothingIsSent"));
  else if (total && !counts.refused && !counts.failed && !counts.unconfirmed) meaning.push(t("thanks"));
  return [line.filter(Boolean).join(", "), meaning.filter(Boolean).join(" ")];
}

/** Of those that are not sent, as far as one can take it in. */
function reasons(rows, closed) {
  const details = rows.filter(({ state }) => NOT_SENT.has(state)).map(({ detail }) => detail);
  const known = [...new Set(details)].filter((detail) => detail && !closed.startsWith(detail));
  return known.length > REASONS ? [t("rowsSayWhy")] : known;
}
