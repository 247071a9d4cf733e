/* When to try again, and how long to wait before. */

const LONGEST_MS = 30_000;
const LONGEST_ASKED_FOR_MS = 300_000;

/** The work was called off: the link was withdrawn. */
export class Aborted extends Error {}

/**
 * Does `work` until it succeeds. Errors with `isTemporary` are tried again: for ever, or, if they
 * carry `tries`, that many times in a row. `onWait(error)` is told before each wait, `onTry()`
 * after it, `onDone()` at the end.
 */
export async function retry(work, { signal, onWait, onTry, onDone } = {}) {
  let limited = 0;
  for (let attempt = 0; ; attempt += 1) {
    if (signal?.aborted) throw new Aborted();
    try {
      const result = await work();
      onDone?.();
      return result;
    } catch (error) {
      if (!error.isTemporary) throw error;
      if (error.tries && (limited += 1) >= error.tries) throw error;
      onWait?.(error);
      const askedForMs = Math.min(error.retryAfter * 1000, LONGEST_ASKED_FOR_MS);
      if (askedForMs > 0) await sleep(askedForMs, signal);
      else await waitForNetwork(backoff(attempt), signal);
      onTry?.();
    }
  }
}

/** 1, 2, 4 … 30 seconds, each shortened by up to half, so that a crowd does not return at once. */
export function backoff(attempt, random = Math.random, longestMs = LONGEST_MS) {
  const longest = Math.min(longestMs, 1000 * 2 ** attempt);
  return longest * (1 - random() / 2);
}

/** Sleeps, but not when the network comes back, or the phone out of the pocket. */
export function waitForNetwork(milliseconds, signal) {
  return sleep(milliseconds, signal, [
    [globalThis.window, "online"],
    [globalThis.document, "visibilitychange"],
  ]);
}

/** Ends early when called off, or when one of `wakers`, pairs of a target and an event, does. */
export function sleep(milliseconds, signal, wakers = []) {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const all = [...wakers, [signal, "abort"]];
    const end = () => {
      clearTimeout(timer);
      for (const [target, name] of all) target?.removeEventListener(name, end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    for (const [target, name] of all) target?.addEventListener(name, end);
  });
}
