/* The photos chosen in this tab: three in flight, the others in line, the smallest first. Knows
   nothing of the DOM. */

import { announce, sha256 } from "./announce.js";
import { randomHex } from "./memory.js";
import { Stopped, persist, sleep } from "./patience.js";
import { ARRIVED, SETTLED, keyOf, stateOf } from "./states.js";
import { Unreadable, transfer } from "./transfer.js";
import { say } from "./words.js";

const RETRIABLE = new Set(["failed", "cancelled"]);
const IN_FLIGHT = 3;
const BATCH = 20;
const READ_AGAIN_MS = 2000;
// Failures of the bytes themselves: the same file would fail the same way.
const HOPELESS = new Set(["not-an-image", "unsupported-format", "too-many-pixels"]);
const ON_ITS_WAY = new Set(["pending", "queued", "processing"]);
const LINK_IS_DEAD = new Set(["invitation-revoked", "invitation-unknown"]);
const LINK_IS_CLOSED = new Set([
  ...LINK_IS_DEAD,
  "invitation-expired",
  "invitation-exhausted",
  "group-closed",
]);

/**
 * `refusal(file)` is a sentence saying why it cannot be sent at all, or "".
 * `earlier(file, hash)` gives the receipt's line about a file sent before, if any.
 * Tells: changed(item), stored() when one has just arrived, merged(item) for a file that is in the
 * list twice, closed(problem).
 */
export function makeQueue({ api, pace, refusal, earlier, uploaderName, ...tell }) {
  const { changed, stored, merged, closed } = tell;
  const items = new Map();
  const waiting = [];
  const announced = [];
  let active = 0;
  let isAnnouncing = false;
  let batchSize = IN_FLIGHT;
  let closedBy = null;
  let calledOff = new AbortController();

  function add(files) {
    const added = [];
    for (const file of files) {
      const key = keyOf(file.name, file.size, file.lastModified);
      const before = items.get(key);
      if (before && !RETRIABLE.has(before.state)) {
        merged(before);
        continue;
      }
      const detail = refusal(file);
      const item = { key, file, clientId: randomHex(), state: "waiting", bytes: 0, detail };
      if (detail) Object.assign(item, { state: "failed", isRefused: true });
      else lineUp(waiting, item);
      items.set(key, item);
      added.push({ item, before });
    }
    closedBy = null;
    // The caller shows them first; then the work begins.
    queueMicrotask(advance);
    return added;
  }

  function retry(item) {
    if (!RETRIABLE.has(item.state) || !item.canRetry) return;
    // A new id means a new upload; the old one still takes bytes unless the server gave it up.
    if (item.isSpent) item.clientId = randomHex();
    closedBy = null;
    const fresh = { isSpent: false, hasRestarted: false, isRefused: false, id: undefined };
    set(item, { state: "waiting", bytes: 0, detail: "", ...fresh });
    lineUp(waiting, item);
    advance();
  }

  /** Gives its place back to the link as well. What has arrived by then stays. */
  function cancel(item) {
    if (SETTLED.has(item.state)) return;
    for (const line of [waiting, announced]) {
      const index = line.indexOf(item);
      if (index >= 0) line.splice(index, 1);
    }
    set(item, { state: "cancelled", isSpent: true, canRetry: !item.isAnnouncing });
    item.controller?.abort();
    if (item.id) withdraw(item);
    advance();
  }

  async function withdraw(item) {
    try {
      await persist(() => api.delete(`uploads/${item.id}/`));
    } catch (problem) {
      if (!problem.status) throw problem; // not an answer, but a mistake of ours
      // Too late: the receipt says how it fares.
      if (problem.slug === "upload-not-pending" && item.state === "cancelled") {
        set(item, { state: "stored", bytes: item.file.size });
      }
    }
  }

  function advance() {
    while (active < IN_FLIGHT && announced.length) send(announced.shift());
    if (!isAnnouncing && !closedBy && waiting.length && announced.length < IN_FLIGHT) {
      announceSome();
    }
  }

  async function announceSome() {
    isAnnouncing = true;
    const batch = waiting.splice(0, batchSize);
    batchSize = Math.min(BATCH, batchSize * 2); // the first few start at once
    const readable = [];
    for (const item of batch) {
      item.isAnnouncing = true;
      if ((await identify(item)) && item.state !== "cancelled") readable.push(item);
      else release(item);
    }
    // A link that takes nothing new still takes what was announced before.
    readable.sort((one, other) => Boolean(other.isKnown) - Boolean(one.isKnown));
    if (readable.length) {
      const patience = {
        signal: calledOff.signal,
        onWait: () => readable.forEach((item) => steer(item, "paused")),
        onTry: () => readable.forEach((item) => steer(item, "waiting")),
      };
      const results = await announce({
        api,
        items: readable,
        uploaderName: uploaderName(),
        patience,
      });
      for (const { item, ticket, problem } of results) {
        release(item);
        const isTooLate = LINK_IS_DEAD.has(closedBy?.slug); // withdrawn meanwhile
        if (item.state === "cancelled") {
          if (ticket?.status === "pending") withdraw(Object.assign(item, { id: ticket.id }));
        } else if (ticket && !isTooLate) settle(item, ticket);
        else fail(item, problem ?? closedBy);
      }
    }
    isAnnouncing = false;
    advance();
  }

  function release(item) {
    item.isAnnouncing = false;
    if (item.state === "cancelled") set(item, { canRetry: true });
  }

  function steer(item, state) {
    if (item.state !== "cancelled") set(item, { state });
  }

  /** Finds out whether it was announced before, here or on an earlier visit. */
  async function identify(item) {
    try {
      item.hash ??= await readTwice(() => sha256(item.file));
    } catch {
      fail(item, new Unreadable());
      return false;
    }
    const line = earlier(item.file, item.hash);
    if (line && !item.isIdentified) {
      // What has arrived may be in the host's trash by now: only its hash tells.
      const isNeeded = ON_ITS_WAY.has(line.status) || !(item.hash && line.sha256);
      if (isNeeded) item.clientId = line.client_id ?? item.clientId;
      item.thumb = line.thumb;
      item.isKnown = true;
    }
    item.isIdentified = true;
    return true;
  }

  function settle(item, ticket) {
    const twin = [...items.values()].find((other) => other !== item && other.id === ticket.id);
    if (twin && twin.state !== "failed") {
      items.delete(item.key);
      merged(twin, item);
      return;
    }
    if (twin) {
      // It failed, and was chosen again under another date or name: one row is enough.
      items.delete(twin.key);
      merged(item, twin);
    }
    item.id = ticket.id;
    if (ticket.status === "pending") {
      item.ticket = ticket;
      set(item, { state: "waiting" });
      lineUp(announced, item);
    } else if (ticket.status === "done") {
      set(item, { state: "here", bytes: item.file.size });
    } else if (stateOf(ticket) === "interrupted" || ticket.status === "failed") {
      restart(item, new Error(say("couldNotBeSent")));
    } else {
      set(item, { state: stateOf(ticket), bytes: item.file.size });
    }
  }

  async function send(item) {
    active += 1;
    const controller = new AbortController();
    calledOff.signal.addEventListener("abort", () => controller.abort());
    set(item, { state: "sending", controller });
    try {
      const upload = await transfer({
        api,
        file: item.file,
        ticket: item.ticket,
        pace,
        signal: controller.signal,
        onProgress: (bytes) => set(item, { bytes }),
        onWait: () => steer(item, "paused"),
        onTry: () => steer(item, "sending"),
      });
      receive(item, upload);
    } catch (problem) {
      if (item.state === "cancelled") {
        // Nothing is wrong.
      } else if (problem.status === 404 || problem.slug === "upload-not-pending") restart(item, problem);
      else fail(item, problem);
    } finally {
      active -= 1;
      advance();
    }
  }

  /** The server gave the upload up (it does, a day later): announce the file anew, once. */
  function restart(item, problem) {
    if (item.hasRestarted || closedBy) {
      fail(item, closedBy ?? problem, { isSpent: true });
      return;
    }
    item.clientId = randomHex();
    set(item, { state: "waiting", bytes: 0, hasRestarted: true });
    lineUp(waiting, item);
  }

  function fail(item, problem, { isSpent = false } = {}) {
    if (LINK_IS_CLOSED.has(problem.slug)) close(problem);
    // Whoever has chosen more since has made us forget why it was stopped.
    const cause = (problem instanceof Stopped && closedBy) || problem;
    const canRetry = !(cause instanceof Unreadable || LINK_IS_DEAD.has(cause.slug));
    set(item, { state: "failed", detail: cause.title || cause.message, canRetry, isSpent });
  }

  function close(problem) {
    if (closedBy) return;
    closedBy = problem;
    closed(problem);
    // What was announced before may still finish, unless the host withdrew the link.
    const unsent = waiting.splice(0);
    if (LINK_IS_DEAD.has(problem.slug)) {
      unsent.push(...announced.splice(0));
      calledOff.abort();
      calledOff = new AbortController();
    }
    for (const item of unsent) fail(item, problem);
  }

  function receive(item, upload) {
    const state = stateOf(upload);
    if (state === "interrupted") {
      restart(item, new Error(say("couldNotBeSent")));
      queueMicrotask(advance);
      return;
    }
    const isSpent = state === "failed";
    const detail = upload.failure_detail ?? "";
    const canRetry = isSpent && !HOPELESS.has(upload.failure);
    const bytes = isSpent ? 0 : item.file.size;
    set(item, { state, detail, bytes, isSpent, canRetry, thumb: upload.thumb });
  }

  /** What the receipt says of photos that were on their way through the workers. */
  function update(uploads) {
    const byId = new Map(uploads.map((upload) => [upload.id, upload]));
    for (const item of items.values()) {
      const upload = byId.get(item.id);
      if (!upload) continue;
      item.line = upload;
      const state = stateOf(upload);
      const isNews =
        [item.state, state].includes("deleted") ||
        item.state === "stored" ||
        (RETRIABLE.has(item.state) && ARRIVED.has(state)); // it made it after all
      if (isNews) receive(item, upload);
      else set(item, upload.thumb && { thumb: upload.thumb });
    }
  }

  function set(item, change) {
    const before = item.state;
    Object.assign(item, change);
    changed(item);
    if (item.state === "stored" && before !== "stored") stored();
  }

  return {
    add,
    retry,
    cancel,
    update,
    items: () => [...items.values()],
    isBusy: () => [...items.values()].some((item) => !SETTLED.has(item.state)),
  };
}

/** Behind those of its size: of equals, who came first goes first. */
function lineUp(line, item) {
  const next = line.findIndex(({ file }) => file.size > item.file.size);
  line.splice(next < 0 ? line.length : next, 0, item);
}

/** A photo that is only in somebody's cloud begins to come down when it is first read. */
async function readTwice(read) {
  try {
    return await read();
  } catch {
    await sleep(READ_AGAIN_MS);
    return read();
  }
}
