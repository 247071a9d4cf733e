/* One file to its place in the store, whole or in parts, until the server confirms it. */

import { backoff, persist, sleep } from "./patience.js";
import { put, stallLimit } from "./put.js";
import { say } from "./words.js";

const CONFIRM_TRIES = 5;
const ROUNDS = 20;
const READ_TRIES = 2;

/** The file cannot be read any more: edited, moved, or still in somebody's cloud. */
export class Unreadable extends Error {
  constructor() {
    super(say("unreadable"));
  }
}

/** The store took the bytes, and yet the server does not find them there. */
export class Unconfirmed extends Error {
  constructor() {
    super(say("unconfirmed"));
  }
}

/**
 * Sends `file` as its ticket says. Returns the server's line about the upload once all bytes are
 * confirmed. `pace` has `stallMs`, the silence that means a dead connection, and `signatureMs`,
 * for how long a signature is good. Raises Problem, PutFailed, Unreadable, Unconfirmed, Stopped.
 */
export async function transfer({ api, file, ticket, pace, signal, onProgress, onWait, onTry }) {
  const patience = { signal, onWait, onTry };
  const job = { api, file, ticket, pace, signal, onProgress, patience, stalls: 0 };
  const address = `uploads/${ticket.id}/complete/`;
  let missing;
  let doubts = 0;
  for (let round = 0; round < ROUNDS && doubts < CONFIRM_TRIES; round += 1) {
    const isConfirmed = await (ticket.multipart ? sendParts(job, missing) : sendWhole(job));
    try {
      return await persist(() => api.post(address), job.patience);
    } catch (problem) {
      if (problem.slug === "upload-not-arrived") missing = problem.body.missing_parts;
      else if (problem.slug !== "upload-mismatch") throw problem;
    }
    // Only a store that says "got it" can be doubted; a lost answer is the network's fault.
    if (isConfirmed) doubts += 1;
    await sleep(backoff(round), signal, "online");
  }
  throw new Unconfirmed();
}

async function sendWhole(job) {
  const { ticket } = job;
  // Our own clock only measures how long ago it came: phones are often wrong about the time of day.
  const isFresh = performance.now() - ticket.receivedAt < job.pace.signatureMs / 2;
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
    const here = await persist(arrived, job.patience);
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
  const { file, ticket, signal, onProgress, patience } = job;
  let failedReads = 0;
  let isAnswerLost = false;
  return persist(async () => {
    if (isAnswerLost && (await isHere())) return false;
    isAnswerLost = false;
    let request;
    try {
      request = await sign();
    } catch (problem) {
      if (problem.slug === "upload-not-pending") return false; // another tab was faster
      throw problem;
    }
    try {
      await put(request, blob, {
        signal,
        stallMs: stallLimit(job.pace.stallMs, job.stalls),
        onProgress: (bytes) => onProgress(sentBefore + bytes),
      });
      return true;
    } catch (error) {
      // The parts are gone: joined already, by another tab.
      if (error.status === 404 && ticket.multipart) return false;
      if (error.isSilent) job.stalls += 1;
      isAnswerLost = error.status === 0 && error.wasSentWhole;
      if (error.status === 0 && !(await isReadable(file)) && (failedReads += 1) >= READ_TRIES) {
        throw new Unreadable();
      }
      onProgress(sentBefore);
      throw error;
    }
  }, patience);
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
