/* The photos chosen in this tab: three in flight, the others in line, the smallest first. Knows
   nothing of the DOM. */

import { announce, sha256 } from "./announce.js";
import { randomHex } from "./memory.js";
import { Stopped, sleep } from "./patience.js";
import { SETTLED, keyOf, stateOf } from "./states.js";
import { Unreadable, transfer } from "./transfer.js";
import { say } from "./words.js";

const IN_FLIGHT = 3;
const BATCH = 20;
const READ_AGAIN_MS = 2000;
// Failures of the bytes themselves: the same file would fail the same way.
const HOPELESS = new Set(["not-an-image", "unsupported-format", "too-many-pixels"]);
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
 * Tells: changed(item), merged(item) for a file that is in the list twice, closed(problem).
 */
export function makeQueue({ api, pace, refusal, earlier, uploaderName, changed, merged, closed }) {
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
      if (before && before.state !== "failed") {
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
    if (item.state !== "failed" || !item.canRetry) return;
    // A new id means a new upload; the old one still takes bytes unless the server gave it up.
    if (item.isSpent) item.clientId = randomHex();
    closedBy = null;
    set(item, { state: "waiting", bytes: 0, detail: "", isSpent: false, hasRestarted: false });
    lineUp(waiting, item);
    advance();
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
    for (const item of batch) if (await identify(item)) readable.push(item);
    if (readable.length) {
      const patience = {
        signal: calledOff.signal,
        onWait: () => readable.forEach((item) => set(item, { state: "paused" })),
        onTry: () => readable.forEach((item) => set(item, { state: "waiting" })),
      };
      const results = await announce({
        api,
        items: readable,
        uploaderName: uploaderName(),
        patience,
      });
      for (const { item, ticket, problem } of results) {
        const isTooLate = LINK_IS_DEAD.has(closedBy?.slug); // withdrawn meanwhile
        if (ticket && !isTooLate) settle(item, ticket);
        else fail(item, problem ?? closedBy);
      }
    }
    isAnnouncing = false;
    advance();
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
      item.clientId = line.client_id ?? item.clientId;
      item.thumb = line.thumb;
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
    set(item, { state: "sending" });
    try {
      const upload = await transfer({
        api,
        file: item.file,
        ticket: item.ticket,
        pace,
        signal: calledOff.signal,
        onProgress: (bytes) => set(item, { bytes }),
        onWait: () => set(item, { state: "paused" }),
        onTry: () => set(item, { state: "sending" }),
      });
      receive(item, upload);
    } catch (problem) {
      if (problem.status === 404 || problem.slug === "upload-not-pending") restart(item, problem);
      else fail(item, problem);
    }
    active -= 1;
    advance();
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
    const cause = problem instanceof Stopped ? closedBy : problem;
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
      if (item.state === "stored") receive(item, upload);
      else if (item.state === "here" && upload.thumb) set(item, { thumb: upload.thumb });
    }
  }

  function set(item, change) {
    Object.assign(item, change);
    changed(item);
  }

  return {
    add,
    retry,
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
