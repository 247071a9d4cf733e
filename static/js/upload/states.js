/* The states of a photo, and the one table of how it gets from one to the next. */

// The server's reports: each event is named after the state that follows.
const ARRIVALS = { stored: "stored", ready: "ready", rejected: "rejected", here: "here" };
const REPORTS = { ...ARRIVALS, deleted: "deleted" };
const CORRECTIONS = { ...REPORTS, failed: "failed" };

const STOP = { cancel: "cancelled", refused: "refused" };
// "interrupted": the server gave the upload up, and it begins anew, once.
const ATTEMPT = { ...STOP, paused: "paused", failed: "failed", interrupted: "waiting" };
const ANNOUNCING = {
  ...{ ...ATTEMPT, announced: "announced", duplicate: "copy" },
  ...{ stored: "stored", rejected: "rejected", here: "here", deleted: "deleted" },
};
const SENDING = {
  ...{ ...ATTEMPT, progress: "sending", deferred: "deferred", unconfirmed: "unconfirmed" },
  ...REPORTS,
};

/** TRANSITIONS[state][event] is the next state. An event that is not listed is impossible. */
export const TRANSITIONS = {
  chosen: { accepted: "waiting", refused: "refused" },
  // To be announced to the server.
  waiting: { ...STOP, announce: "announcing" },
  announcing: ANNOUNCING,
  // The server has given it a place; two others or more are being sent.
  announced: { ...STOP, send: "sending", unconfirmed: "unconfirmed" },
  sending: SENDING,
  // The announcement or the transfer waits for its next attempt, or has not moved a byte since.
  // "requeued": the server crashed over several, and each is announced alone.
  paused: { ...ANNOUNCING, ...SENDING, requeued: "waiting" },
  // Given up for now, and tried alone later.
  deferred: {
    ...{ ...STOP, requeued: "waiting", announced: "announced", unconfirmed: "unconfirmed" },
    ...REPORTS,
  },
  // In the bucket, as the server has seen.
  stored: { ...CORRECTIONS, interrupted: "waiting", refused: "refused" },
  ready: { rejected: "rejected", deleted: "deleted" },
  // Ready, and the hosts do not show it to other guests.
  rejected: CORRECTIONS,
  // The group had this photo before.
  here: { rejected: "rejected", deleted: "deleted" },
  // This list has the same photo under another name.
  copy: {},
  // It cannot be sent, or it failed: `detail` says why, `canRetry` whether that may change.
  refused: { ...REPORTS, retry: "waiting" },
  failed: { ...REPORTS, retry: "waiting" },
  // Sent, but the link was withdrawn before the server confirmed it.
  unconfirmed: REPORTS,
  // By the guest, before it had arrived.
  cancelled: { ...REPORTS, retry: "waiting" },
  // By the guest, after it had arrived. It can be restored.
  deleted: CORRECTIONS,
};
// There is one more: "interrupted", an unfinished upload of an earlier visit, whose file is not at hand.

export const ARRIVED = new Set(Object.keys(ARRIVALS));
export const NOT_SENT = new Set(["refused", "failed"]);

const DISPLAYED_AS = { announcing: "waiting", announced: "waiting", deferred: "paused" };
const STATE_BY_STATUS = {
  ...{ queued: "stored", processing: "stored", done: "ready", duplicate: "here" },
  failed: "failed",
};

export function can(state, event) {
  return event in (TRANSITIONS[state] ?? {});
}

/** False while the photo is on its way. */
export function isSettled(state) {
  return !can(state, "cancel");
}

export function displayed(state) {
  return DISPLAYED_AS[state] ?? state;
}

/** The state of an upload of the server. */
export function stateOf(upload) {
  if (upload.photo?.trashed_at) return "deleted";
  if (upload.rejection) return "rejected";
  return STATE_BY_STATUS[upload.status] ?? "interrupted";
}

/** The reason of a failure or rejection, or "". */
export function detailOf({ failure_detail: failure, rejection }) {
  return failure ?? rejection?.reason ?? "";
}

/** Files with the same key are taken for the same where no hash tells. */
export function keyOf(name, size, lastModified) {
  return `${name}/${size}/${lastModified}`;
}
