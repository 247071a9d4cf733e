/* The server's receipt: all uploads of this guest. It is the only memory; the browser keeps no list. */

const MIN_WAIT_MS = 600;
const GROWTH = 1.15;
const MAX_WAIT_MS = 15_000;
// A server that took long to answer is busy: it is left alone for this many times as long.
const REST_FACTOR = 8;
const FULL_EVERY = 20; // one answer of so many is the whole receipt, the others are what is new

/**
 * Asks once at the start, and then as long as `isNeeded()` and the page is visible: MIN_WAIT_MS
 * after any news, then less and less often. `onReceipt(uploads, more)` gets all uploads after each
 * answer, newest first, and how much more the link takes; `onRefusal(problem)` a final error.
 */
export class ReceiptPoller {
  uploads = new Map();
  since = null;
  count = 0;
  hasAnswer = false;
  request = null;
  wait = MIN_WAIT_MS;
  timer = null;
  due = 0;
  notBefore = 0;

  constructor({ api, isNeeded, onReceipt, onRefusal }) {
    Object.assign(this, { api, isNeeded, onReceipt, onRefusal });
    document.addEventListener("visibilitychange", () => {
      this.count = 0;
      this.soon();
    });
    this.ask();
  }

  /** A photo has just arrived and will soon be processed. An earlier poll stays as it is. */
  soon() {
    this.wait = MIN_WAIT_MS;
    if (!this.request && !(this.timer && this.due <= performance.now() + this.wait)) this.schedule();
  }

  /** Waits for an answer to a question asked from now on. Without one, polling goes on. */
  async now() {
    await this.request;
    this.hasAnswer = false;
    await this.ask();
  }

  ask() {
    this.request ??= this.poll();
    return this.request;
  }

  async poll() {
    clearTimeout(this.timer);
    const began = performance.now();
    const isFull = !this.since || this.count % FULL_EVERY === 0;
    this.count += 1;
    const { group } = this.api; // of a member
    let retryAfterMs = 0;
    try {
      const query = isFull ? "" : `?updated_since=${encodeURIComponent(this.since)}`;
      const { results, next_updated_since: next, ...more } = await (group
        ? (await import("./group_receipt.js")).readPages(this.api, query)
        : this.api.get(`uploads/${query}`));
      this.hasAnswer = true;
      this.since = next;
      if (this.merge(results, isFull)) this.wait = MIN_WAIT_MS;
      this.onReceipt([...this.uploads.values()], more);
    } catch (problem) {
      retryAfterMs = problem.retryAfter * 1000 || 0;
      if (!problem.isTemporary) {
        this.hasAnswer = true; // a refusal is an answer, too
        this.onRefusal(problem);
      }
    }
    this.request = null;
    const now = performance.now();
    this.notBefore = now + Math.max(retryAfterMs, REST_FACTOR * (now - began));
    this.schedule();
  }

  /** True if an upload is new or has another status. */
  merge(results, isFull) {
    const isNews = results.some(({ id, status }) => this.uploads.get(id)?.status !== status);
    const fresh = results.map((upload) => [upload.id, upload]);
    const added = fresh.filter(([id]) => !this.uploads.has(id)); // newer than those that were known
    this.uploads = new Map(isFull ? fresh : [...added, ...this.uploads, ...fresh]);
    return isNews;
  }

  schedule() {
    clearTimeout(this.timer);
    this.timer = null;
    if (document.hidden || (this.hasAnswer && !this.isNeeded())) return;
    const now = performance.now();
    this.due = Math.max(now + this.wait, this.notBefore);
    this.timer = setTimeout(() => this.ask(), this.due - now);
    this.wait = Math.min(MAX_WAIT_MS, this.wait * GROWTH);
  }
}
