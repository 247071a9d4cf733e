/* The announcement of files to the server. The server takes all files of an announcement, or none. */

import { NoAnswer, Problem } from "./api.js";
import { retry } from "./retry.js";

const TAKES_NOTHING_NEW = new Set(["invitation-exhausted", "invitation-expired", "group-closed"]);
const MAX_HASHED_BYTES = 64 * 1024 * 1024; // digest() needs the whole file in memory

/** Hex SHA-256, or "" for large files and without WebCrypto. Rejects if the file cannot be read. */
export async function sha256(file) {
  if (!globalThis.crypto?.subtle || file.size > MAX_HASHED_BYTES) return "";
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Returns {item, ticket} or {item, problem} for each item {file, clientId, hash}, in any order.
 * Files that the server refuses do not keep the others from being announced. Where it crashes over
 * one, all share the problem: the caller announces each alone. Safe to call twice.
 */
export async function announce({ api, items, about, retryOptions }) {
  const group = api.group && { group: api.group };
  const body = { ...group, ...about, files: items.map(describe) };
  try {
    const tickets = await retry(() => postUploads(api, body), retryOptions);
    const receivedAt = performance.now();
    return items.map((item, index) => ({ item, ticket: { ...tickets[index], receivedAt } }));
  } catch (problem) {
    const all = items.map((item) => ({ item, problem }));
    if (!(problem instanceof Problem) || problem.isTemporary || items.length === 1) return all;
    const again = (some) => announce({ api, items: some, about, retryOptions });
    const refused = refusals(problem, items);
    if (refused.length) {
      const rest = items.filter((item) => !refused.some((refusal) => refusal.item === item));
      return rest.length ? [...refused, ...(await again(rest))] : refused;
    }
    return TAKES_NOTHING_NEW.has(problem.slug) ? oneByOne(items, again) : all;
  }
}

async function postUploads(api, body) {
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

/** The items that the problem's JSON pointers (`#/files/3/size`) name, each with its message. */
function refusals({ body }, items) {
  const found = new Map();
  for (const { pointer, detail } of body.errors ?? []) {
    const index = /^#\/files\/(\d+)\//.exec(pointer)?.[1];
    if (items[index]) found.set(items[index], new Error(detail));
  }
  return Array.from(found, ([item, problem]) => ({ item, problem }));
}

/** A link with room for three takes the first three of ten; a closed one takes those it knows. */
async function oneByOne(items, again) {
  const results = [];
  let refusal = null;
  for (const item of items) {
    const [result] = refusal ? [{ item, problem: refusal }] : await again([item]);
    if (TAKES_NOTHING_NEW.has(result.problem?.slug)) refusal = result.problem;
    results.push(result);
  }
  return results;
}
