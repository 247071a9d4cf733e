/* One transfer: a file is sent to the store, whole or in parts, until the server confirms it. */

import { t } from "./messages.js";
import { Aborted, backoff, retry, waitForNetwork } from "./retry.js";

const MAX_DOUBTS = 5;
const MAX_ROUNDS = 20;
const MAX_FAILED_READS = 2;
const MAX_STALL_MS = 120_000;
const TICK_MS = 1000;

/** The file was changed or moved since it was chosen, or is still in a cloud. */
export class Unreadable extends Error {
  constructor() {
    super(t("unreadable"));
  }
}

/** The store took the bytes, but the server does not find them there; perhaps a portal took them. */
export class Unconfirmed extends Error {
  isTemporary = true;
  pauseReason = "storeAway";

  constructor() {
    super(t("unconfirmed"));
  }
}

/**
 * Sends `file` as its ticket says, and returns the server's upload once all bytes are confirmed.
 * `timeouts` has `stallMs`, the silence that means a dead connection, and `signatureMs`, the life
 * of a signature. Raises Problem, PutFailed, Unreadable, Unconfirmed, Aborted. Called again after
 * a temporary error, it does not send again what the store has.
 */
export async function transfer({ api, file, ticket, timeouts, signal, onProgress, onWait }) {
  const retryOptions = { signal, onWait };
  const job = { api, file, ticket, timeouts, signal, onProgress, retryOptions, stalls: 0 };
  const confirm = async () => {
    try {
      return await api.post(`uploads/${ticket.id}/complete/`);
    } catch (problem) {
      ticket.isUnconfirmed ||= problem.isTemporary; // it may have arrived all the same
      throw problem;
    }
  };
  let missing;
  let doubts = 0;
  for (let round = 0; round < MAX_ROUNDS && doubts < MAX_DOUBTS; round += 1) {
    const isStored =
      ticket.isSent || (await (ticket.multipart ? sendParts(job, missing) : sendWhole(job)));
    ticket.isSent = isStored;
    try {
      return await retry(confirm, retryOptions);
    } catch (problem) {
      if (problem.slug === "upload-not-arrived") missing = problem.body.missing_parts;
      else if (problem.slug !== "upload-mismatch") throw problem;
    }
    ticket.isSent = false;
    ticket.isUnconfirmed = false;
    // A doubt is about a store that confirmed the bytes; a lost answer is the network's fault.
    if (isStored) doubts += 1;
    await waitForNetwork(backoff(round), signal);
  }
  throw new Unconfirmed();
}

async function sendWhole(job) {
  const { ticket } = job;
  // The phone's clock only measures a distance: its time of day is often wrong.
  const isFresh = performance.now() - ticket.receivedAt < job.timeouts.signatureMs / 2;
  let signed = isFresh ? ticket.upload : null;
  delete ticket.upload;
  const sign = async () => {
    const request = signed ?? (await job.api.post(`uploads/${ticket.id}/sign/`));
    signed = null; // a signature is used once
    return request;
  };
  return sendPiece(job, { blob: job.file, sign, sentBefore: 0, hasArrived: () => true });
}

async function sendParts(job, missing) {
  const { api, file, ticket } = job;
  const { part_size: partSize, part_count: partCount } = ticket.multipart;
  const piece = (number) => file.slice((number - 1) * partSize, number * partSize);
  const arrivedParts = async () => {
    const { parts } = await api.get(`uploads/${ticket.id}/parts/`);
    return new Set(parts.map(({ part }) => part));
  };
  if (!missing) {
    const arrived = await retry(arrivedParts, job.retryOptions);
    const numbers = Array.from({ length: partCount }, (_, index) => index + 1);
    missing = numbers.filter((number) => !arrived.has(number));
  }
  let sentBefore = file.size - missing.reduce((sum, number) => sum + piece(number).size, 0);
  job.onProgress(sentBefore);
  let isStored = true;
  for (const number of missing) {
    const blob = piece(number);
    const sign = () => api.post(`uploads/${ticket.id}/sign/`, { part: number });
    const hasArrived = async () => (await arrivedParts()).has(number);
    isStored = await sendPiece(job, { blob, sign, sentBefore, hasArrived });
    if (!isStored) break; // the server is asked what it has
    sentBefore += blob.size;
  }
  return isStored;
}

/** True if the store confirmed the piece; false if only the server can tell. */
async function sendPiece(job, { blob, sign, sentBefore, hasArrived }) {
  const { file, ticket, signal, onProgress } = job;
  let failedReads = 0;
  let isAnswerLost = false;
  let isSigned = false;
  return retry(async () => {
    if (isAnswerLost && (await hasArrived())) return false;
    isAnswerLost = false;
    let request;
    const isFirst = !isSigned;
    try {
      request = await sign();
      isSigned = true;
    } catch (problem) {
      if (problem.slug === "upload-not-pending") return false; // another tab was faster
      throw problem;
    }
    try {
      await put(request, blob, {
        signal,
        stallMs: stallLimit(job.timeouts.stallMs, job.stalls),
        onProgress: (bytes) => onProgress(sentBefore + bytes),
      });
      return true;
    } catch (error) {
      // Another tab has joined the parts already.
      if (error.status === 404 && ticket.multipart) return false;
      if (error.isSilent) job.stalls += 1;
      // The network is fine: the server signed a moment ago.
      else if (!isFirst && !error.sent) error.pauseReason = "storeAway";
      isAnswerLost = error.status === 0 && error.wasSentWhole;
      if (error.status === 0 && !(await isReadable(file)) && (failedReads += 1) >= MAX_FAILED_READS) {
        throw new Unreadable();
      }
      onProgress(sentBefore);
      throw error;
    }
  }, job.retryOptions);
}

async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

/* One PUT to one signed URL. */

/**
 * The store did not answer 2xx. `status` is 0 without any answer, and `request` has its body. If it
 * `wasSentWhole`, perhaps only the answer was lost: the server is asked before it is sent again.
 */
export class PutFailed extends Error {
  isTemporary = true;
  isSilent = false;

  constructor({ status = 0, ...facts }) {
    super(status ? t("storeRefused", { status: `${status}` }) : t("connectionLost"));
    Object.assign(this, facts, { status });
    this.pauseReason = status ? "storeAway" : "connectionBroke";
    if (status >= 400 && status < 500 && status !== 408 && status !== 429) this.tries = 4;
  }
}

/**
 * The silence that means a dead connection. It doubles with every stall, because a slow link may
 * need that long to drain its buffers.
 */
export function stallLimit(firstMs, stallCount) {
  return Math.min(Math.max(MAX_STALL_MS, firstMs), firstMs * 2 ** stallCount);
}

/** Uses XMLHttpRequest, because fetch reports no progress of an upload. */
export function put({ method, url, headers }, blob, { onProgress, signal, stallMs }) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new Aborted()); // while it was signed
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
      end(reject, new PutFailed({ sent, wasSentWhole: sent >= blob.size, ...reason }));
    const stop = () => {
      end(reject, new Aborted());
      request.abort();
    };
    const watchdog = setInterval(() => {
      // A tick that comes late counts as a few seconds: the phone slept, and nothing stalled.
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
        : fail({ status: request.status, request });
    request.onerror = () => fail({});
    signal?.addEventListener("abort", stop);
    request.send(blob);
  });
}
