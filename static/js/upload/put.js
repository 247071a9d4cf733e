/* One PUT to one signed URL. XMLHttpRequest, because fetch tells no progress of what it sends. */

import { Stopped } from "./patience.js";
import { say } from "./words.js";

const LONGEST_STALL_MS = 120_000;
const TICK_MS = 1000;

/** No 2xx. `status` is 0 if there was no answer at all. */
export class PutFailed extends Error {
  isTemporary = true;

  constructor({ status = 0, isSilent = false, wasSentWhole = false }) {
    super(status ? say("storeRefused", { status: `${status}` }) : say("connectionLost"));
    this.status = status;
    this.isSilent = isSilent;
    // The answer alone may have been lost: worth asking before sending it all again.
    this.wasSentWhole = wasSentWhole;
    if (status >= 400 && status < 500 && status !== 408 && status !== 429) this.tries = 4;
  }
}

/**
 * How much silence means a dead connection. Longer after each time, or a link so slow that its
 * buffers alone take that long to drain would be cut for ever.
 */
export function stallLimit(firstMs, stallCount) {
  return Math.min(Math.max(LONGEST_STALL_MS, firstMs), firstMs * 2 ** stallCount);
}

export function put({ method, url, headers }, blob, { onProgress, signal, stallMs }) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new Stopped()); // while it was signed
    const request = new XMLHttpRequest();
    let sent = 0;
    let silence = 0;
    let lastTick = performance.now();

    const end = (settle, value) => {
      clearInterval(watchdog);
      signal?.removeEventListener("abort", stop);
      settle(value);
    };
    const fail = (reason) =>
      end(reject, new PutFailed({ wasSentWhole: sent >= blob.size, ...reason }));
    const stop = () => {
      end(reject, new Stopped());
      request.abort();
    };
    const watchdog = setInterval(() => {
      // A phone that slept is not a connection that stalled: a late tick counts as a few seconds.
      const now = performance.now();
      silence += Math.min(now - lastTick, 5 * TICK_MS);
      lastTick = now;
      if (silence < stallMs) return;
      fail({ isSilent: true });
      request.abort();
    }, TICK_MS);

    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded }) => {
      if (loaded > sent) silence = 0;
      sent = loaded;
      onProgress?.(Math.min(loaded, blob.size));
    };
    request.onload = () =>
      request.status >= 200 && request.status < 300
        ? end(resolve)
        : fail({ status: request.status });
    request.onerror = () => fail({});
    signal?.addEventListener("abort", stop);
    request.send(blob);
  });
}
