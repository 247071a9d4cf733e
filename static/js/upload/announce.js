/* Telling the server which files will come. It takes all of an announcement, or nothing. */

import { NoAnswer, Problem } from "./api.js";
import { retry } from "./retry.js";

const TAKES_NOTHING_NEW = new Set(["invitation-exhausted", "invitation-expired", "group-closed"]);
const HASHED_BYTES = 64 * 1024 * 1024; // digest() wants the whole file in memory

/** Hex SHA-256, or "" where WebCrypto is not to be had. Rejects if the file cannot be read. */
export async function sha256(file) {
  if (!globalThis.crypto?.subtle || file.size > HASHED_BYTES) return "";
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * For each item, in some order: {item, ticket}, or {item, problem}. Files the server refuses do
 * not keep the others from being announced; one that makes it crash does, for whoever calls this to
 * announce each alone. Announcing the same item again is harmless.
 */
export async function announce({ api, items, uploaderName, retryOptions }) {
  const body = { uploader_name: uploaderName, files: items.map(describe) };
  try {
    const tickets = await retry(() => ticketsFor(api, body), retryOptions);
    const receivedAt = performance.now();
    return items.map((item, index) => ({ item, ticket: { ...tickets[index], receivedAt } }));
  } catch (problem) {
    const all = items.map((item) => ({ item, problem }));
    if (!(problem instanceof Problem) || problem.isTemporary || items.length === 1) return all;
    const again = (some) => announce({ api, items: some, uploaderName, retryOptions });
    const refused = refusals(problem, items);
    if (refused.length) {
      const rest = items.filter((item) => !refused.some((refusal) => refusal.item === item));
      return rest.length ? [...refused, ...(await again(rest))] : refused;
    }
    if (TAKES_NOTHING_NEW.has(problem.slug)) return oneByOne(items, again);
    return all;
  }
}

async function ticketsFor(api, body) {
  const { uploads } = await api.post("uploads/", body);
  if (uploads?.length !== body.files.length) throw new NoAnswer();
  return uploads;
}

function describe({ file, clientId, hash }) {
  return {
    client_id: clientId,
    filename: file.name,
    content_type: file.type,
    size: file.size,
    last_modified: file.lastModified,
    ...(hash && { sha256: hash }),
  };
}

/** The items that the problem's JSON pointers (`#/files/3/size`) name, each with its sentence. */
function refusals({ body }, items) {
  const found = new Map();
  for (const { pointer, detail } of body.errors ?? []) {
    const index = /^#\/files\/(\d+)\//.exec(pointer)?.[1];
    if (items[index]) found.set(items[index], new Error(detail));
  }
  return Array.from(found, ([item, problem]) => ({ item, problem }));
}

/** A link with room for three takes the first three of ten; one that is closed, those it knows. */
async function oneByOne(items, again) {
  const results = [];
  let full = null;
  for (const item of items) {
    const [result] = full ? [{ item, problem: full }] : await again([item]);
    if (TAKES_NOTHING_NEW.has(result.problem?.slug)) full = result.problem;
    results.push(result);
  }
  return results;
}
