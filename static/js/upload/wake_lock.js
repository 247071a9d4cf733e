/* While photos are being sent, the screen stays on and the tab asks before it closes. */

let isWanted = false;
let lock = null;

export function holdWakeLock(isBusy) {
  if (isBusy === isWanted) return;
  isWanted = isBusy;
  if (isBusy) addEventListener("beforeunload", confirmLeaving);
  else removeEventListener("beforeunload", confirmLeaving);
  update();
}

function confirmLeaving(event) {
  event.preventDefault();
  event.returnValue = true; // for Safari and older Chromium
}

async function update() {
  if (!isWanted) {
    lock?.release();
    lock = null;
  } else if (navigator.wakeLock && !document.hidden && (!lock || lock.released)) {
    try {
      lock = await navigator.wakeLock.request("screen");
      if (!isWanted) update(); // not wanted any more
    } catch {
      // The battery is low, or it is forbidden. Sending works without it.
    }
  }
}

// Browsers release the lock of a hidden tab, and do not restore it.
document.addEventListener("visibilitychange", update);
