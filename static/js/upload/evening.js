/* Shows the newest photos of the evening once everything has been sent. */

import { t } from "./messages.js";

const TIMEOUT_MS = 20_000;

/** Waits until `meaning`, the headline's second line, thanks the guest, and fills `section`. */
export function showAfterThanks(section, meaning) {
  const observer = new MutationObserver(look);
  observer.observe(meaning, { childList: true, characterData: true, subtree: true });
  look();

  function look() {
    if (!meaning.textContent.includes(t("thanks"))) return;
    observer.disconnect();
    fill(section).catch(() => {});
  }
}

/** Without an answer the page stays as it is. */
async function fill(section) {
  const answer = await fetch("photos/newest/", { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (answer.status !== 200) return;
  section.innerHTML = await answer.text();
  section.hidden = false;
}
