/* How much longer it takes, as far as anybody can tell. */

const SETTLE_MS = 4000; // before that, nobody can
const MEMORY_MS = 15_000;
// How far off the old answer may be before there is a new one: minutes, or a share of it.
const STICKY = 0.75;
const STICKY_SHARE = 0.15;

/**
 * `tell({sent, total, isMoving}, now)` gives whole minutes, or null while it cannot be
 * known; 0 means less than one. The answer does not jump with every gust of the network.
 */
export function makeProgressRate() {
  let rate = 0; // bytes a millisecond, of late
  let weight = 0; // how much of it has been seen: 0 at the start, then towards 1
  let seen = null;
  let movedFor = 0;
  let shown = null;

  return function tell({ sent, total, isMoving }, now = performance.now()) {
    const before = seen;
    seen = { sent, now };
    if (!isMoving || !before || total === 0) {
      // What a pause lasts says nothing about the network after it.
      if (!isMoving) seen = shown = null;
      return null;
    }
    const elapsed = now - before.now;
    if (elapsed > 0) {
      const share = 1 - Math.exp(-elapsed / MEMORY_MS);
      rate += share * ((sent - before.sent) / elapsed - rate);
      weight += share * (1 - weight);
      movedFor += elapsed;
    }
    if (movedFor < SETTLE_MS || rate <= 0) return null;
    const minutes = (total - sent) / (rate / weight) / 60_000;
    const margin = shown ? Math.max(STICKY, STICKY_SHARE * shown) : 1;
    const isNear = shown !== null && Math.abs(minutes - shown) < margin;
    if (!isNear || minutes < STICKY) {
      shown = minutes < STICKY ? 0 : Math.max(1, Math.round(minutes));
    }
    return shown;
  };
}
