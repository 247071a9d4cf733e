/* The photos chosen in this tab: three in flight, the others in line, the smallest first. Knows
   nothing of the DOM. */

import { announce, sha256 } from "./announce.js";
import { randomHex } from "./local_storage.js";
import { Aborted, backoff, waitForNetwork, retry, sleep } from "./retry.js";
import { ARRIVED, NOT_SENT, SETTLED, detailOf, keyOf, stateOf } from "./states.js";
import { Unreadable, transfer } from "./transfer.js";
import { t } from "./messages.js";

const RETRIABLE = new Set([...NOT_SENT, "unconfirmed", "cancelled"]);
const IN_FLIGHT = 3;
const BATCH = 20;
const READ_AGAIN_MS = 2000;
const LONGEST_APART_MS = 300_000;
const WAKINGS = 3;
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
 * `refusal(file)` is {detail} saying why it cannot be sent, with `canRetry` if that may change, or
 * null. `earlier(file, hash)` gives the receipt's line about a file sent before, if any.
 * Tells: changed(item), stored() when one has just arrived, merged(item) for a file that was chosen
 * again, closed(problem).
 */
export function makeQueue({ api, timeouts, refusal, earlier, uploaderName, ...tell }) {
  const { changed, stored, merged, closed } = tell;
  const items = new Map();
  const waiting = [];
  const announced = [];
  let active = 0;
  let crashes = 0;
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
      const item = { key, file, clientId: randomHex(), state: "waiting", bytes: 0, pauseReason: "" };
      const refused = refusal(file);
      if (refused) Object.assign(item, { state: "refused", ...refused });
      else insertBySize(waiting, item);
      items.set(key, item);
      added.push({ item, before });
    }
    closedBy = null;
    // The caller shows them first; then the work begins.
    queueMicrotask(advance);
    return added;
  }

  function sendAgain(item) {
    if (!RETRIABLE.has(item.state) || !item.canRetry) return;
    // A new id means a new upload; the old one still takes bytes unless the server gave it up.
    if (item.isSpent) item.clientId = randomHex();
    closedBy = null;
    const fresh = { isSpent: false, hasRestarted: false, id: undefined, ticket: null, wake: null };
    set(item, { state: "waiting", bytes: 0, detail: "", ...fresh });
    insertBySize(waiting, item);
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

  /** Takes one that was not sent off the list. */
  function dismiss(item) {
    items.delete(item.key);
    changed(item);
  }

  async function withdraw(item) {
    try {
      await retry(() => api.delete(`uploads/${item.id}/`));
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
    const apart = waiting.findIndex(({ isApart }) => isApart);
    const batch = waiting.splice(0, Math.min(batchSize, apart < 0 ? BATCH : apart || 1));
    const readable = [];
    for (const item of batch) {
      item.isAnnouncing = true;
      if ((await identify(item)) && item.state !== "cancelled") readable.push(item);
      else release(item);
    }
    // A link that takes nothing new still takes what was announced before.
    readable.sort((one, other) => Boolean(other.isKnown) - Boolean(one.isKnown));
    if (readable.length) {
      const retryOptions = { signal: calledOff.signal, ...telling(readable, "waiting") };
      const results = await announce({
        api,
        items: readable,
        uploaderName: uploaderName(),
        retryOptions,
      });
      const hasCrashed = readable.length > 1 && results.some(({ problem }) => problem?.isTemporary);
      // The first few start at once; where one of them makes the server crash, each goes alone.
      batchSize = hasCrashed ? 1 : Math.min(BATCH, batchSize * 2);
      for (const { item, ticket, problem } of results) {
        release(item);
        const isTooLate = LINK_IS_DEAD.has(closedBy?.slug); // withdrawn meanwhile
        if (item.state === "cancelled") {
          if (ticket?.status === "pending") withdraw(Object.assign(item, { id: ticket.id }));
        } else if (ticket && !isTooLate) settle(item, ticket);
        else if (hasCrashed && problem?.isTemporary) insertBySize(waiting, item);
        else fail(item, problem ?? closedBy);
      }
      await rest(results);
    }
    isAnnouncing = false;
    advance();
  }

  /** A server that crashes over one photo after the other is left alone for a while. */
  async function rest(results) {
    const [{ item, problem }] = results;
    if (results.some(({ ticket }) => ticket)) {
      crashes = 0;
      for (const other of items.values()) if (other.setbacks <= WAKINGS) other.wake?.();
    } else if (problem?.isTemporary && item.setbacks === 1 && (crashes += 1) > 1) {
      await waitForNetwork(backoff(crashes), calledOff.signal);
    }
  }

  /** What retry.js is to tell while it is about `some`; between its waits they are in `state`. */
  function telling(some, state) {
    const each = (change) => () => some.forEach((item) => setUnlessCancelled(item, change));
    return {
      onWait: ({ pauseReason }) => each({ state: "paused", pauseReason })(),
      onTry: each({ state }),
      onDone: each({ pauseReason: "" }),
    };
  }

  function release(item) {
    item.isAnnouncing = false;
    if (item.state === "cancelled") set(item, { canRetry: true });
  }

  function setUnlessCancelled(item, change) {
    if (!SETTLED.has(item.state)) set(item, change);
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
    if (twin && !NOT_SENT.has(twin.state)) {
      set(item, { state: "copy", detail: twin.file.name });
      return;
    }
    // It failed, and was chosen again under another date or name: one row is enough.
    if (twin) dismiss(twin);
    Object.assign(item, { id: ticket.id, isApart: false });
    if (ticket.status === "pending") {
      item.ticket = ticket;
      set(item, { state: "waiting" });
      insertBySize(announced, item);
    } else if (ticket.status === "done") {
      set(item, { state: "here", bytes: item.file.size });
    } else if (stateOf(ticket) === "interrupted" || ticket.status === "failed") {
      restart(item, new Error(t("couldNotBeSent")));
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
        timeouts,
        signal: controller.signal,
        onProgress: (bytes) => set(item, { bytes }),
        ...telling([item], "sending"),
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
    set(item, { state: "waiting", bytes: 0, hasRestarted: true, ticket: null });
    insertBySize(waiting, item);
  }

  function fail(item, problem, { isSpent = false } = {}) {
    if (problem.isTemporary) {
      defer(item, problem);
      return;
    }
    close(problem);
    // Whoever has chosen more since has made us forget why it was stopped.
    const cause = (problem instanceof Aborted && closedBy) || problem;
    if (LINK_IS_DEAD.has(cause.slug) && item.ticket?.isUnconfirmed) {
      set(item, { state: "unconfirmed", isSpent });
      return;
    }
    const isUnreadable = cause instanceof Unreadable;
    const isRefused = LINK_IS_CLOSED.has(cause.slug) || !(item.id || isUnreadable);
    const canRetry = !(isUnreadable || LINK_IS_DEAD.has(cause.slug));
    const state = isRefused ? "refused" : "failed";
    set(item, { state, detail: cause.title || cause.message, canRetry, isSpent });
  }

  /** What may pass is tried again: later, less and less often, and apart from the others. */
  async function defer(item, { pauseReason }) {
    item.setbacks = (item.setbacks ?? 0) + 1;
    const controller = new AbortController();
    const wake = () => controller.abort();
    set(item, { state: "paused", pauseReason, isApart: true, controller, wake });
    await waitForNetwork(backoff(item.setbacks + 1, Math.random, LONGEST_APART_MS), controller.signal);
    if (item.wake !== wake) return;
    item.wake = null;
    if (item.state !== "paused") return;
    set(item, { state: "waiting" });
    insertBySize(item.ticket ? announced : waiting, item);
    advance();
  }

  /** If the problem says that the link takes nothing more. */
  function close(problem) {
    if (closedBy || !LINK_IS_CLOSED.has(problem.slug)) return;
    closedBy = problem;
    closed(problem);
    // What was announced before may still finish, unless the host withdrew the link.
    const unsent = waiting.splice(0);
    if (LINK_IS_DEAD.has(problem.slug)) {
      unsent.push(...announced.splice(0));
      for (const item of items.values()) {
        if (item.wake) unsent.push(item);
        // Nobody will be told how it goes on.
        if (item.state === "stored") set(item, { detail: t("arrivedOnly") });
      }
      calledOff.abort();
      calledOff = new AbortController();
    }
    for (const item of unsent) fail(item, problem);
  }

  function receive(item, upload) {
    const state = stateOf(upload);
    if (state === "interrupted") {
      restart(item, new Error(t("couldNotBeSent")));
      queueMicrotask(advance);
      return;
    }
    const isSpent = state === "failed";
    const canRetry = isSpent && !HOPELESS.has(upload.failure);
    const bytes = isSpent ? 0 : item.file.size;
    set(item, { state, detail: detailOf(upload), bytes, isSpent, canRetry, thumb: upload.thumb });
  }

  /** What the receipt says of photos that were on their way through the workers. */
  function update(uploads) {
    const byId = new Map(uploads.map((upload) => [upload.id, upload]));
    for (const item of items.values()) {
      const upload = byId.get(item.id);
      // Pending is what it was when the receipt was read; that it has arrived we know better.
      if (!upload || upload.status === "pending") continue;
      item.line = upload;
      const state = stateOf(upload);
      const isNews =
        [item.state, state].some((each) => ["deleted", "rejected"].includes(each)) ||
        item.state === "stored" ||
        // It made it after all.
        ((RETRIABLE.has(item.state) || item.wake) && ARRIVED.has(state));
      if (isNews) receive(item, upload);
      else set(item, upload.thumb && { thumb: upload.thumb });
    }
  }

  function set(item, change) {
    const before = item.state;
    Object.assign(item, change);
    changed(item);
    if (SETTLED.has(item.state)) item.wake?.();
    if (item.state === "stored" && before !== "stored") stored();
  }

  return {
    add,
    retry: sendAgain,
    cancel,
    dismiss,
    close,
    update,
    items: () => [...items.values()],
    isBusy: () => [...items.values()].some((item) => !SETTLED.has(item.state)),
  };
}

/** Behind those of its size: of equals, who came first goes first. At the end if it is apart. */
function insertBySize(line, item) {
  const isBefore = ({ file, isApart }) => isApart || file.size > item.file.size;
  const next = item.isApart ? -1 : line.findIndex(isBefore);
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
