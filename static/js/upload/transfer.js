/* One file to its place in the store, whole or in parts, until the server confirms it. */

import { Aborted, backoff, waitForNetwork, retry } from "./retry.js";
import { t } from "./messages.js";

const CONFIRM_TRIES = 5;
const ROUNDS = 20;
const READ_TRIES = 2;
const LONGEST_STALL_MS = 120_000;
const TICK_MS = 1000;

/** The file cannot be read any more: edited, moved, or still in somebody's cloud. */
export class Unreadable extends Error {
  constructor() {
    super(t("unreadable"));
  }
}

/** The store took the bytes, and yet the server does not find them there: not yet, or a portal did. */
export class Unconfirmed extends Error {
  isTemporary = true;
  pauseReason = "storeAway";

  constructor() {
    super(t("unconfirmed"));
  }
}

/**
 * Sends `file` as its ticket says. Returns the server's line about the upload once all bytes are
 * confirmed. `timeouts` has `stallMs`, the silence that means a dead connection, and `signatureMs`,
 * for how long a signature is good. Raises Problem, PutFailed, Unreadable, Unconfirmed, Aborted;
 * called again after one that is temporary, it does not send again what the store said it has.
 */
export async function transfer({ api, file, ticket, timeouts, signal, onProgress, ...told }) {
  const retryOptions = { signal, ...told };
  const job = { api, file, ticket, timeouts, signal, onProgress, retryOptions, stalls: 0 };
  const address = `uploads/${ticket.id}/complete/`;
  const confirm = async () => {
    try {
      return await api.post(address);
    } catch (problem) {
      ticket.isUnconfirmed ||= problem.isTemporary; // it may have arrived all the same
      throw problem;
    }
  };
  let missing;
  let doubts = 0;
  for (let round = 0; round < ROUNDS && doubts < CONFIRM_TRIES; round += 1) {
    const isConfirmed =
      ticket.isSent || (await (ticket.multipart ? sendParts(job, missing) : sendWhole(job)));
    ticket.isSent = isConfirmed;
    try {
      return await retry(confirm, job.retryOptions);
    } catch (problem) {
      if (problem.slug === "upload-not-arrived") missing = problem.body.missing_parts;
      else if (problem.slug !== "upload-mismatch") throw problem;
    }
    ticket.isSent = false;
    ticket.isUnconfirmed = false;
    // Only a store that says "got it" can be doubted; a lost answer is the network's fault.
    if (isConfirmed) doubts += 1;
    await waitForNetwork(backoff(round), signal);
  }
  throw new Unconfirmed();
}

async function sendWhole(job) {
  const { ticket } = job;
  // Our own clock only measures how long ago it came: phones are often wrong about the time of day.
  const isFresh = performance.now() - ticket.receivedAt < job.timeouts.signatureMs / 2;
  let signed = isFresh ? ticket.upload : null;
  delete ticket.upload;
  const sign = async () => {
    const request = signed ?? (await job.api.post(`uploads/${ticket.id}/sign/`));
    signed = null; // a fresh signature every time
    return request;
  };
  return sendPiece(job, { blob: job.file, sign, sentBefore: 0, isHere: () => true });
}

async function sendParts(job, missing) {
  const { api, file, ticket } = job;
  const { part_size: partSize, part_count: partCount } = ticket.multipart;
  const piece = (number) => file.slice((number - 1) * partSize, number * partSize);
  const arrived = async () => {
    const { parts } = await api.get(`uploads/${ticket.id}/parts/`);
    return new Set(parts.map(({ part }) => part));
  };
  if (!missing) {
    const here = await retry(arrived, job.retryOptions);
    missing = range(partCount).filter((number) => !here.has(number));
  }
  let sentBefore = file.size - missing.reduce((sum, number) => sum + piece(number).size, 0);
  job.onProgress(sentBefore);
  let isConfirmed = true;
  for (const number of missing) {
    const blob = piece(number);
    const sign = () => api.post(`uploads/${ticket.id}/sign/`, { part: number });
    const isHere = async () => (await arrived()).has(number);
    isConfirmed = await sendPiece(job, { blob, sign, sentBefore, isHere });
    if (!isConfirmed) break; // ask the server what it has
    sentBefore += blob.size;
  }
  return isConfirmed;
}

/** True if the store said it has the piece; false if only the server can tell. */
async function sendPiece(job, { blob, sign, sentBefore, isHere }) {
  const { file, ticket, signal, onProgress, retryOptions } = job;
  let failedReads = 0;
  let isAnswerLost = false;
  let isSigned = false;
  return retry(async () => {
    if (isAnswerLost && (await isHere())) return false;
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
      // The parts are gone: joined already, by another tab.
      if (error.status === 404 && ticket.multipart) return false;
      if (error.isSilent) job.stalls += 1;
      // The server signed a moment ago: it is not the phone's network.
      else if (!isFirst && !error.sent) error.pauseReason = "storeAway";
      isAnswerLost = error.status === 0 && error.wasSentWhole;
      if (error.status === 0 && !(await isReadable(file)) && (failedReads += 1) >= READ_TRIES) {
        throw new Unreadable();
      }
      onProgress(sentBefore);
      throw error;
    }
  }, retryOptions);
}

async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

function range(count) {
  return Array.from({ length: count }, (_, index) => index + 1);
}

/* One PUT to one signed URL. */

/** No 2xx. `status` is 0 if there was no answer at all. */
export class PutFailed extends Error {
  isTemporary = true;

  constructor({ status = 0, isSilent = false, sent = 0, wasSentWhole = false }) {
    super(status ? t("storeRefused", { status: `${status}` }) : t("connectionLost"));
    this.status = status;
    this.pauseReason = status ? "storeAway" : "connectionBroke";
    this.sent = sent;
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

/** By XMLHttpRequest, because fetch tells no progress of what it sends. */
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
