/* Where a photo can be on its way, in the words of the page. */

// Each is true as it stands:
//   waiting      chosen, its turn has not come
//   sending      bytes are leaving
//   paused       something keeps it; it goes on by itself
//   stored       the bucket has it, and the server has looked
//   ready        the photo is finished
//   rejected     it is finished, and the hosts do not show it to other guests
//   here         the group has had this photo before
//   copy         the same photo is in this list under another name
//   refused      it cannot be sent; `detail` says why, `canRetry` whether that may change
//   failed       `detail` says why, `canRetry` whether trying again may help
//   unconfirmed  sent, but the link was withdrawn before the server's answer came
//   cancelled    by the person, before it had arrived
//   deleted      by the person, after it had arrived; it can be taken back
//   interrupted  announced on another visit, and the file is not at hand
export const ARRIVED = new Set(["stored", "ready", "rejected", "here"]);
export const NOT_SENT = new Set(["refused", "failed"]);
export const SETTLED = new Set([...ARRIVED, ...NOT_SENT, "copy", "unconfirmed", "cancelled", "deleted"]);
const STATE_BY_STATUS = {
  queued: "stored",
  processing: "stored",
  done: "ready",
  duplicate: "here",
  failed: "failed",
};

/** What a line of the server's receipt means to a person. */
export function stateOf(upload) {
  if (upload.photo?.trashed_at) return "deleted";
  if (upload.rejection) return "rejected";
  return STATE_BY_STATUS[upload.status] ?? "interrupted";
}

/** Why, where the state alone does not say. */
export function detailOf({ failure_detail: failure, rejection }) {
  return failure ?? rejection?.reason ?? "";
}

/** Files that agree in all of this are taken for the same where no hash tells. */
export function keyOf(name, size, lastModified) {
  return `${name}/${size}/${lastModified}`;
}
