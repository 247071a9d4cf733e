/* What the server says arrived. It alone is the memory: we keep no list of our own. */

const FIRST_MS = 2000;
const LONGEST_MS = 15_000;

/**
 * Asks once at the start, and then for as long as `isNeeded()`: less and less often, and only
 * while somebody looks. `received(uploads)` gets every answer, newest upload first.
 */
export function watchReceipt({ api, isNeeded, received, failed }) {
  let isKnown = false;
  let isAsking = false;
  let wait = FIRST_MS;
  let timer = null;

  async function ask() {
    if (isAsking) return;
    isAsking = true;
    try {
      const { uploads } = await api.get("uploads/");
      isKnown = true;
      received(uploads);
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
    timer = setTimeout(ask, wait);
    wait = Math.min(LONGEST_MS, wait * 1.5);
  }

  /** Something has just arrived: it will not be long. */
  function soon() {
    wait = FIRST_MS;
    if (!isAsking) schedule();
  }

  document.addEventListener("visibilitychange", soon);
  ask();
  return { soon };
}
