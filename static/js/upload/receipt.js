/* What the server says arrived. It alone is the memory: we keep no list of our own. */

const FIRST_MS = 600;
const GROWTH = 1.15;
const LONGEST_MS = 15_000;
// An answer that took long comes from a server that has much to do: it is left alone as many times longer.
const REST = 8;
const WHOLE_EVERY = 20; // of so many answers one is the whole receipt, the others are the news

/**
 * Asks once at the start, and then for as long as `isNeeded()`: after FIRST_MS whenever there is
 * news, then less and less often, and only while somebody looks. `received(uploads, more)` gets
 * all lines after every answer, newest upload first, and how much more the link takes.
 */
export function watchReceipt({ api, isNeeded, received, failed }) {
  let lines = new Map();
  let since = null;
  let asked = 0;
  let isKnown = false;
  let asking = null;
  let wait = FIRST_MS;
  let timer = null;
  let due = 0;
  let notBefore = 0;

  async function ask() {
    clearTimeout(timer);
    const began = performance.now();
    const isWhole = !since || asked % WHOLE_EVERY === 0;
    asked += 1;
    let restMs = 0;
    try {
      const address = isWhole ? "uploads/" : `uploads/?updated_since=${encodeURIComponent(since)}`;
      const { results: uploads, next_updated_since: next, ...more } = await api.get(address);
      isKnown = true;
      since = next;
      if (merge(uploads, isWhole)) wait = FIRST_MS;
      received([...lines.values()], more);
    } catch (problem) {
      restMs = problem.retryAfter * 1000 || 0;
      if (!problem.isTemporary) {
        isKnown = true; // asking again would not help
        failed(problem);
      }
    }
    asking = null;
    const now = performance.now();
    notBefore = now + Math.max(restMs, REST * (now - began));
    schedule();
  }

  /** True if a photo is further than it was. */
  function merge(uploads, isWhole) {
    const isNews = uploads.some(({ id, status }) => lines.get(id)?.status !== status);
    const fresh = uploads.map((line) => [line.id, line]);
    const added = fresh.filter(([id]) => !lines.has(id)); // newer than all that were known
    lines = new Map(isWhole ? fresh : [...added, ...lines, ...fresh]);
    return isNews;
  }

  function schedule() {
    clearTimeout(timer);
    timer = null;
    if (document.hidden || (isKnown && !isNeeded())) return;
    const now = performance.now();
    due = Math.max(now + wait, notBefore);
    timer = setTimeout(begin, due - now);
    wait = Math.min(LONGEST_MS, wait * GROWTH);
  }

  /** Something has just arrived: it will not be long. What is asked sooner stays so. */
  function soon() {
    wait = FIRST_MS;
    if (!asking && !(timer && due <= performance.now() + wait)) schedule();
  }

  /** An answer that was asked for from now on; or none, and then it goes on asking. */
  async function now() {
    await asking;
    isKnown = false;
    await begin();
  }

  function begin() {
    asking ??= ask();
    return asking;
  }

  document.addEventListener("visibilitychange", () => {
    asked = 0;
    soon();
  });
  begin();
  return { soon, now };
}
