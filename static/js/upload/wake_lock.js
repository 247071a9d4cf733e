/* While photos leave, the screen stays on and the tab asks before it closes. */

let isWanted = false;
let lock = null;

export function holdWakeLock(isBusy) {
  if (isBusy === isWanted) return;
  isWanted = isBusy;
  if (isBusy) addEventListener("beforeunload", ask);
  else removeEventListener("beforeunload", ask);
  hold();
}

function ask(event) {
  event.preventDefault();
  event.returnValue = true; // Safari and older Chromium
}

async function hold() {
  if (!isWanted) {
    lock?.release();
    lock = null;
  } else if (navigator.wakeLock && !document.hidden && (!lock || lock.released)) {
    try {
      lock = await navigator.wakeLock.request("screen");
      if (!isWanted) hold(); // the last photo left while we asked
    } catch {
      // Low battery, or not allowed here. The photos go on without it.
    }
  }
}

// Browsers take the lock away from a hidden tab, and do not give it back.
document.addEventListener("visibilitychange", hold);
