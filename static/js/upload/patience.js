/* When to try again, and how long to wait before. */

const LONGEST_MS = 30_000;
const LONGEST_ASKED_FOR_MS = 300_000;

/** The work was called off: the link was withdrawn. */
export class Stopped extends Error {}

/**
 * Does `work` until it succeeds. Errors with `isTemporary` are tried again: for ever, or, if they
 * carry `tries`, that many times. `onWait(error)` is told before each wait, `onTry()` after it.
 */
export async function persist(work, { signal, onWait, onTry } = {}) {
  let limited = 0;
  for (let attempt = 0; ; attempt += 1) {
    if (signal?.aborted) throw new Stopped();
    try {
      return await work();
    } catch (error) {
      if (!error.isTemporary) throw error;
      if (error.tries && (limited += 1) >= error.tries) throw error;
      onWait?.(error);
      const askedForMs = Math.min(error.retryAfter * 1000, LONGEST_ASKED_FOR_MS);
      if (askedForMs > 0) await sleep(askedForMs, signal);
      else await sleep(backoff(attempt), signal, "online");
      onTry?.();
    }
  }
}

/** 1, 2, 4 … 30 seconds, each shortened by up to half, so that a crowd does not return at once. */
export function backoff(attempt, random = Math.random) {
  const longest = Math.min(LONGEST_MS, 1000 * 2 ** attempt);
  return longest * (1 - random() / 2);
}

/** Ends early when the window hears the event named `wakeUp`, or when called off. */
export function sleep(milliseconds, signal, wakeUp) {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const target = globalThis.window ?? new EventTarget();
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      if (wakeUp) target.removeEventListener(wakeUp, end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal?.addEventListener("abort", end);
    if (wakeUp) target.addEventListener(wakeUp, end);
  });
}
