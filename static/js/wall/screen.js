/* The screen of a wall stays awake, hides a mouse that rests, and may be filled. */

const STILL_AFTER_MS = 2500;

export function useScreen(root, button) {
  let lock = null;
  async function stayAwake() {
    if (!navigator.wakeLock || document.hidden || (lock && !lock.released)) return;
    try {
      lock = await navigator.wakeLock.request("screen");
    } catch {
      // The battery is low, or it is forbidden.
    }
  }
  stayAwake();
  // Browsers release the lock of a hidden page, and do not restore it.
  document.addEventListener("visibilitychange", stayAwake);

  let timer = null;
  function move() {
    root.classList.remove("is-still");
    clearTimeout(timer);
    timer = setTimeout(() => root.classList.add("is-still"), STILL_AFTER_MS);
  }
  for (const event of ["pointermove", "pointerdown", "keydown"]) addEventListener(event, move);
  move();

  if (!document.fullscreenEnabled) return;
  const isFull = () => Boolean(document.fullscreenElement);
  const fill = () => (isFull() ? document.exitFullscreen() : document.documentElement.requestFullscreen());
  document.addEventListener("fullscreenchange", () => (button.hidden = isFull()));
  button.addEventListener("click", () => fill().catch(() => {}));
  addEventListener("keydown", ({ key, ctrlKey, metaKey, altKey }) => {
    if (key === "f" && !ctrlKey && !metaKey && !altKey) fill().catch(() => {});
  });
  button.hidden = isFull();
}
