/* Asks the server what the wall shows, again and again. A lost network is no error: it asks again,
   less and less often. */

const TIMEOUT_MS = 15_000;
const MAX_WAIT_MS = 60_000;
const JITTER = 0.17; // of the wait, both ways: many walls must not ask in step

/** An answer that no later question will change soon: the wall has ended. */
const ENDED = 403;

export class Feed {
  failures = 0;
  timer = null;
  request = null;
  etag = "";
  etagOf = null; // the place that was asked for with it
  isHungry = false;

  /**
   * `question()` returns {after, shows}; `onAnswer(answer, question)` and `onEnded()` are told.
   */
  constructor({ url, everyMs, question, onAnswer, onEnded }) {
    Object.assign(this, { url, everyMs, question, onAnswer, onEnded });
  }

  /** Wants an answer even if nothing has changed: addresses may have expired. */
  hungry() {
    this.isHungry = true;
  }

  /** Asks now, unless a question is under way or a failure was just seen. */
  soon() {
    if (!this.request && !this.failures) this.ask();
  }

  /** Asks now, whatever failed before. */
  ask() {
    this.request ??= this.poll();
    return this.request;
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = null;
  }

  async poll() {
    this.stop();
    let wait = this.everyMs;
    try {
      wait = (await this.read()) ?? this.everyMs;
      this.failures = 0;
    } catch (error) {
      this.failures += 1;
      const backOff = Math.min(MAX_WAIT_MS, this.everyMs * 2 ** (this.failures - 1));
      wait = Math.max(backOff, error.retryAfterMs ?? 0);
    }
    this.request = null;
    if (document.hidden) return;
    this.timer = setTimeout(() => this.ask(), wait * (1 - JITTER + 2 * JITTER * Math.random()));
  }

  /** Returns how long to wait until the next question, if that is not the usual time. */
  async read() {
    const question = this.question();
    const { after, shows } = question;
    const isKnown = this.etag && this.etagOf === after && !this.isHungry;
    const query = new URLSearchParams({ ...(after && { after }), ...(shows && { shows }) });
    const answer = await fetch(`${this.url}?${query}`, {
      cache: "no-store",
      credentials: "same-origin",
      headers: isKnown ? { "If-None-Match": this.etag } : {},
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (answer.status === ENDED) {
      this.etag = "";
      this.onEnded();
      return MAX_WAIT_MS; // its group may come back from the trash
    }
    if (answer.status === 304) return null;
    const isJson = answer.headers.get("Content-Type")?.startsWith("application/json");
    if (!answer.ok || !isJson) {
      const retryAfterMs = Number(answer.headers.get("Retry-After")) * 1000 || 0;
      throw Object.assign(new Error(answer.status), { retryAfterMs });
    }
    const found = await answer.json();
    Object.assign(this, { etag: answer.headers.get("ETag") ?? "", etagOf: after, isHungry: false });
    this.onAnswer(found, question);
    return null;
  }
}
