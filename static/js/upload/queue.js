/* The queue of the photos chosen in this tab: it announces them and sends three at a time, the
   smallest first. It does not know the DOM. */

import { announce, sha256 } from "./announce.js";
import { randomHex } from "./local_storage.js";
import { t } from "./messages.js";
import { Aborted, backoff, retry, sleep, waitForNetwork } from "./retry.js";
import { NOT_SENT, TRANSITIONS, can, detailOf, isSettled, keyOf, stateOf } from "./states.js";
import { Unreadable, transfer } from "./transfer.js";

const IN_FLIGHT = 3;
const MAX_BATCH = 20;
const READ_AGAIN_MS = 2000;
const MAX_DEFERRAL_MS = 300_000;
// After more deferrals than this, a photo no longer wakes early because the server answers again.
const EARLY_WAKES = 3;
// Choosing the same file again replaces an item in one of these states.
const REPLACEABLE = new Set([...NOT_SENT, "unconfirmed", "cancelled"]);
// The same file would fail in the same way again.
const PERMANENT_FAILURES = new Set(["not-an-image", "unsupported-format", "too-many-pixels"]);
const ON_ITS_WAY = new Set(["pending", "queued", "processing"]);
const LINK_WITHDRAWN = new Set(["invitation-revoked", "invitation-unknown"]);
const TAKES_NOTHING_NEW = ["invitation-expired", "invitation-exhausted", "group-closed"];
const LINK_CLOSED = new Set([...LINK_WITHDRAWN, ...TAKES_NOTHING_NEW, "licence-changed"]);

/**
 * `refusal(file)` says why a file cannot be sent, as {detail, canRetry}, or is null.
 * `previousUpload(file, hash)` finds the upload of the same file in the receipt.
 * `about()` returns what is announced of all photos: {uploader_name, licence}.
 * Callbacks: onChange(item), onStored() when a photo has just arrived, onRepeat() for a file that
 * is in the list already, onClose(problem) when the link takes nothing more, or not before the
 * guest has read another sentence of licence.
 */
export class UploadQueue {
  itemsByKey = new Map();
  active = 0; // transfers that have not ended
  isAnnouncing = false;
  announcement = null; // the AbortController of the current one
  batchSize = IN_FLIGHT;
  crashes = 0;
  closedBy = null;

  constructor(options) {
    Object.assign(this, options);
  }

  items() {
    return [...this.itemsByKey.values()];
  }

  isBusy() {
    return this.items().some(({ state }) => !isSettled(state));
  }

  add(files) {
    const added = [];
    for (const file of files) {
      const key = keyOf(file.name, file.size, file.lastModified);
      const before = this.itemsByKey.get(key);
      if (before && !REPLACEABLE.has(before.state)) {
        this.onRepeat();
        continue;
      }
      const refused = this.refusal(file);
      const item = { key, file, clientId: randomHex(), state: "chosen", bytes: 0, deferrals: 0 };
      this.itemsByKey.set(key, item);
      this.apply(item, refused ? "refused" : "accepted", refused);
      added.push({ item, before });
    }
    this.closedBy = null;
    // The caller adds their rows first.
    queueMicrotask(() => this.advance());
    return added;
  }

  retry(item) {
    if (!item.canRetry || !can(item.state, "retry")) return;
    this.closedBy = null;
    const fresh = { bytes: 0, detail: "", id: undefined, ticket: null, hasRestarted: false };
    this.apply(item, "retry", fresh);
    this.advance();
  }

  /** Also gives the photo's place back to the link. A photo that has arrived by then stays. */
  cancel(item) {
    if (!can(item.state, "cancel")) return;
    const { ticket } = item;
    this.apply(item, "cancel", { clientId: randomHex(), ticket: null, canRetry: true });
    if (ticket) this.withdraw(item, ticket.id);
    this.advance();
  }

  /** Takes a photo that was not sent off the list. */
  dismiss(item) {
    this.itemsByKey.delete(item.key);
    this.onChange(item);
  }

  /** Moves `item` to its next state. An impossible event is reported, and changes nothing. */
  apply(item, event, change) {
    const before = item.state;
    if (!can(before, event)) {
      console.error(new Error(`Impossible event "${event}" in state "${before}"`));
      return;
    }
    this.set(item, { ...change, state: TRANSITIONS[before][event] });
    if (isSettled(item.state)) item.controller?.abort();
    if (item.state === "stored" && before !== "stored") this.onStored();
  }

  set(item, change) {
    Object.assign(item, change);
    this.onChange(item);
  }

  async withdraw(item, id) {
    try {
      await retry(() => this.api.delete(`uploads/${id}/`));
    } catch (problem) {
      if (!problem.status) throw problem; // not an answer, but a bug
      // It had arrived: the receipt tells the rest.
      if (problem.slug === "upload-not-pending" && item.state === "cancelled") {
        this.apply(item, "stored", { id, bytes: item.file.size });
      }
    }
  }

  /** The items in that state in the order they are sent: deferred ones last, smallest first. */
  inState(state) {
    return this.items()
      .filter((item) => item.state === state)
      .sort((a, b) => Boolean(a.deferrals) - Boolean(b.deferrals) || a.file.size - b.file.size);
  }

  advance() {
    const announced = this.inState("announced");
    while (this.active < IN_FLIGHT && announced.length) this.send(announced.shift());
    const waiting = this.inState("waiting");
    if (this.closedBy) waiting.forEach((item) => this.fail(item, this.closedBy));
    else if (!this.isAnnouncing && waiting.length && announced.length < IN_FLIGHT) {
      this.announceBatch(waiting);
    }
  }

  async announceBatch(waiting) {
    this.isAnnouncing = true;
    const together = waiting.filter(({ deferrals }) => !deferrals);
    const batch = together.length ? together.slice(0, this.batchSize) : waiting.slice(0, 1);
    batch.forEach((item) => this.apply(item, "announce"));
    for (const item of batch) await this.identify(item);
    // Copies, because cancelling gives an item a new clientId.
    const requests = batch
      .filter(({ state }) => state === "announcing")
      // A link that takes nothing new still takes what was announced before.
      .sort((a, b) => Boolean(b.isKnown) - Boolean(a.isKnown))
      .map((item) => ({ item, file: item.file, hash: item.hash, clientId: item.clientId }));
    if (requests.length) {
      this.announcement = new AbortController();
      const { signal } = this.announcement;
      const onWait = ({ pauseReason }) => {
        for (const { item } of requests.filter(isCurrent)) this.apply(item, "paused", { pauseReason });
      };
      const retryOptions = { signal, onWait };
      const about = this.about();
      this.receiveTickets(await announce({ api: this.api, items: requests, about, retryOptions }));
      await this.restAfterCrash(requests[0].item, signal);
    }
    this.isAnnouncing = false;
    this.advance();
  }

  receiveTickets(results) {
    const hasTickets = results.some(({ ticket }) => ticket);
    const hasCrashed = results.some(({ problem }) => problem?.isTemporary);
    const isSplit = hasCrashed && results.length > 1;
    // The first few start at once; where the server crashes over several, each is announced alone.
    this.batchSize = isSplit ? 1 : Math.min(MAX_BATCH, this.batchSize * 2);
    for (const { item: request, ticket, problem } of results) {
      const { item } = request;
      if (!isCurrent(request)) {
        if (ticket?.status === "pending") this.withdraw(item, ticket.id);
      } else if (ticket && !LINK_WITHDRAWN.has(this.closedBy?.slug)) this.receiveTicket(item, ticket);
      else if (isSplit && problem?.isTemporary) this.apply(item, "requeued");
      else this.fail(item, problem ?? this.closedBy);
    }
    if (!hasTickets) return;
    this.crashes = 0;
    for (const item of this.inState("deferred")) {
      if (item.deferrals <= EARLY_WAKES) item.controller.abort();
    }
  }

  /** Waits where the server crashes over one photo after the other. */
  async restAfterCrash(item, signal) {
    if (item.state !== "deferred" || item.deferrals !== 1) return;
    this.crashes += 1;
    if (this.crashes > 1) await waitForNetwork(backoff(this.crashes), signal);
  }

  /** Hashes the file, and finds its upload of an earlier visit. */
  async identify(item) {
    if (item.hash !== undefined) return;
    let hash;
    try {
      hash = await readTwice(() => sha256(item.file));
    } catch {
      if (item.state === "announcing") this.fail(item, new Unreadable());
    }
    if (item.state !== "announcing") return; // cancelled meanwhile, or unreadable
    item.hash = hash;
    const upload = this.previousUpload(item.file, hash);
    if (!upload) return;
    // What has arrived may be in the host's trash by now: only its hash tells.
    const isNeeded = ON_ITS_WAY.has(upload.status) || !(hash && upload.sha256);
    if (isNeeded) item.clientId = upload.client_id ?? item.clientId;
    Object.assign(item, { thumb: upload.thumb, isKnown: true });
  }

  receiveTicket(item, ticket) {
    const duplicate = this.items().find((other) => other !== item && other.id === ticket.id);
    if (duplicate && !NOT_SENT.has(duplicate.state)) {
      this.apply(item, "duplicate", { detail: duplicate.file.name });
      return;
    }
    // It failed, and was chosen again under another date or name: one row is enough.
    if (duplicate) this.dismiss(duplicate);
    Object.assign(item, { id: ticket.id, deferrals: 0 });
    const state = ticket.status === "done" ? "here" : stateOf(ticket);
    if (ticket.status === "pending") this.apply(item, "announced", { ticket });
    else if (state === "interrupted" || state === "failed") this.restart(item);
    else this.apply(item, state, { bytes: item.file.size });
  }

  async send(item) {
    const { api, timeouts } = this;
    const { file, ticket } = item;
    const controller = new AbortController();
    // After a cancellation, what this transfer still tells is of no interest.
    const ifCurrent = (work) => (value) => item.ticket === ticket && work(value);
    const onWait = ifCurrent(({ pauseReason }) => this.apply(item, "paused", { pauseReason }));
    const onProgress = ifCurrent((bytes) => {
      if (bytes > item.bytes) this.apply(item, "progress", { bytes });
      else this.set(item, { bytes });
    });
    this.active += 1;
    this.apply(item, "send", { controller });
    if (navigator.onLine === false) onWait({ pauseReason: "connectionBroke" });
    try {
      const { signal } = controller;
      const upload = await transfer({ api, file, ticket, timeouts, signal, onProgress, onWait });
      ifCurrent(() => this.receive(item, upload))();
    } catch (problem) {
      const isGivenUp = problem.status === 404 || problem.slug === "upload-not-pending";
      ifCurrent(() => (isGivenUp ? this.restart(item, problem) : this.fail(item, problem)))();
    } finally {
      this.active -= 1;
      this.advance();
    }
  }

  /** Announces the file anew, once: the server gave its upload up, as it does after a day. */
  restart(item, problem = new Error(t("couldNotBeSent"))) {
    item.clientId = randomHex(); // a new upload
    if (item.hasRestarted || this.closedBy) this.fail(item, this.closedBy ?? problem);
    else this.apply(item, "interrupted", { bytes: 0, ticket: null, hasRestarted: true });
  }

  fail(item, problem) {
    if (problem.isTemporary) {
      this.defer(item, problem);
      return;
    }
    this.close(problem);
    // Without `closedBy`: photos were chosen since, in the hope that the link is good again.
    const cause = (problem instanceof Aborted && this.closedBy) || problem;
    const isWithdrawn = LINK_WITHDRAWN.has(cause.slug);
    if (isWithdrawn && item.ticket?.isUnconfirmed) {
      this.apply(item, "unconfirmed");
      return;
    }
    const isUnreadable = cause instanceof Unreadable;
    const isRefused = LINK_CLOSED.has(cause.slug) || !(item.id || isUnreadable);
    const canRetry = !(isUnreadable || isWithdrawn);
    const detail = cause.title || cause.message;
    this.apply(item, isRefused ? "refused" : "failed", { detail, canRetry });
  }

  /** Tries a photo again later, apart from the others and less and less often. */
  async defer(item, { pauseReason }) {
    const controller = new AbortController();
    const deferrals = item.deferrals + 1;
    this.apply(item, "deferred", { pauseReason, controller, deferrals });
    await waitForNetwork(backoff(deferrals + 1, Math.random, MAX_DEFERRAL_MS), controller.signal);
    if (item.state !== "deferred" || item.controller !== controller) return;
    this.apply(item, item.ticket ? "announced" : "requeued");
    this.advance();
  }

  /** Stops what the link does not take any more, if that is what `problem` says. */
  close(problem) {
    if (this.closedBy || !LINK_CLOSED.has(problem.slug)) return;
    this.closedBy = problem;
    this.onClose(problem);
    const unsent = this.inState("waiting");
    // What was announced before may still finish, unless the host withdrew the link.
    if (LINK_WITHDRAWN.has(problem.slug)) {
      unsent.push(...this.inState("announced"), ...this.inState("deferred"));
      // The receipt is closed, too: nobody will tell how they go on.
      this.inState("stored").forEach((item) => this.set(item, { detail: t("arrivedOnly") }));
      this.announcement?.abort();
      this.items().forEach(({ state, controller }) => !isSettled(state) && controller?.abort());
    }
    unsent.forEach((item) => this.fail(item, problem));
  }

  receive(item, upload) {
    const state = stateOf(upload);
    if (state === "interrupted") {
      this.restart(item);
      queueMicrotask(() => this.advance());
      return;
    }
    const isFailed = state === "failed";
    if (isFailed) item.clientId = randomHex();
    this.apply(item, state, {
      detail: detailOf(upload),
      bytes: isFailed ? 0 : item.file.size,
      canRetry: isFailed && !PERMANENT_FAILURES.has(upload.failure),
      thumb: upload.thumb,
    });
  }

  /** Takes over the receipt's news of photos that are not being announced or sent. */
  update(uploads) {
    const byId = new Map(uploads.map((upload) => [upload.id, upload]));
    for (const item of this.items()) {
      const upload = byId.get(item.id);
      // A receipt that says "pending" was read before the photo arrived.
      if (!upload || upload.status === "pending") continue;
      item.upload = upload;
      const isIdle = isSettled(item.state) || item.state === "deferred";
      if (isIdle && can(item.state, stateOf(upload))) this.receive(item, upload);
      else this.set(item, upload.thumb && { thumb: upload.thumb });
    }
  }
}

/** False once the item was cancelled. */
function isCurrent({ item, clientId }) {
  return item.clientId === clientId;
}

/** Reads a file again after a failure: one that is only in a cloud is downloaded at the first try. */
async function readTwice(read) {
  try {
    return await read();
  } catch {
    await sleep(READ_AGAIN_MS);
    return read();
  }
}
