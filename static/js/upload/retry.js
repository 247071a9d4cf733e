/* Retries, and the waits between them. */

const MAX_WAIT_MS = 30_000;
const MAX_RETRY_AFTER_MS = 300_000;

/** The signal ended the work. */
export class Aborted extends Error {}

/**
 * Calls `work` until it succeeds. An error with `isTemporary` is retried: without end, or, if it
 * has `tries`, until so many of these have come. `onWait(error)` is called before each wait.
 */
export async function retry(work, { signal, onWait } = {}) {
  let limited = 0;
  for (let attempt = 0; ; attempt += 1) {
    if (signal?.aborted) throw new Aborted();
    try {
      return await work();
    } catch (error) {
      if (!error.isTemporary) throw error;
      if (error.tries && (limited += 1) >= error.tries) throw error;
      onWait?.(error);
      const retryAfterMs = Math.min(error.retryAfter * 1000, MAX_RETRY_AFTER_MS);
      if (retryAfterMs > 0) await sleep(retryAfterMs, signal);
      else await waitForNetwork(backoff(attempt), signal);
    }
  }
}

/** 1, 2, 4 … 30 seconds, each shortened by up to half at random: a crowd must not return at once. */
export function backoff(attempt, random = Math.random, maxMs = MAX_WAIT_MS) {
  return Math.min(maxMs, 1000 * 2 ** attempt) * (1 - random() / 2);
}

/** Sleeps until the network comes back or the page is shown again, at most so long. */
export function waitForNetwork(milliseconds, signal) {
  return sleep(milliseconds, signal, [
    [globalThis.window, "online"],
    [globalThis.document, "visibilitychange"],
  ]);
}

/** Also ends when `signal` aborts, or at one of `events`: pairs of a target and an event's name. */
export function sleep(milliseconds, signal, events = []) {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const all = [...events, [signal, "abort"]];
    const end = () => {
      clearTimeout(timer);
      for (const [target, name] of all) target?.removeEventListener(name, end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    for (const [target, name] of all) target?.addEventListener(name, end);
  });
}
