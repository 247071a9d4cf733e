/* What the server says arrived. It alone is the memory: we keep no list of our own. */

const FIRST_MS = 2000;
const LONGEST_MS = 15_000;

/**
 * Asks once at the start, and then for as long as `isNeeded()`: less and less often, and only
 * while somebody looks. `received(uploads)` gets every answer, newest upload first, and how much more the link takes.
 */
export function watchReceipt({ api, isNeeded, received, failed }) {
  let isKnown = false;
  let isAsking = false;
  let asking = null;
  let wait = FIRST_MS;
  let timer = null;

  async function ask() {
    if (isAsking) return;
    isAsking = true;
    clearTimeout(timer);
    try {
      const { results: uploads, ...more } = await api.get("uploads/");
      isKnown = true;
      received(uploads, more);
    } catch (problem) {
      if (!problem.isTemporary) {
        isKnown = true; // asking again would not help
        failed(problem);
      }
    }
    isAsking = false;
    schedule();
  }

  function schedule() {
    clearTimeout(timer);
    timer = null;
    if (document.hidden || (isKnown && !isNeeded())) return;
    timer = setTimeout(begin, wait);
    wait = Math.min(LONGEST_MS, wait * 1.5);
  }

  /** Something has just arrived: it will not be long. */
  function soon() {
    wait = FIRST_MS;
    if (!isAsking) schedule();
  }

  document.addEventListener("visibilitychange", soon);
  /** An answer that was asked for from now on; or none, and then it goes on asking. */
  async function now() {
    await asking;
    isKnown = false;
    await begin();
  }

  function begin() {
    asking = ask();
    return asking;
  }

  begin();
  return { soon, now };
}
