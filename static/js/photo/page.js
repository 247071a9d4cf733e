/* The page of a photo: its neighbours by keys and by swipe, and what loads only where it is there. */

const byId = (id) => document.getElementById(id);
const links = { ArrowLeft: byId("before"), ArrowRight: byId("after") };

// --- Neighbours -----------------------------------------------------------------------------

/** Whether the keys belong to what has the focus: a field, a map, an open dialog. */
function keysAreTaken(target) {
  const own = "input, select, textarea, [contenteditable], [role=application], dialog[open]";
  return target instanceof Element && target.closest(own) !== null;
}

addEventListener("keydown", (event) => {
  const { key, target, altKey, ctrlKey, metaKey, shiftKey } = event;
  if (event.defaultPrevented || altKey || ctrlKey || metaKey || shiftKey) return;
  if (!keysAreTaken(target)) links[key]?.click();
});

const SWIPE = 60; // pixels

/** Follows a link after a swipe, as if the photos lay side by side. */
function followSwipes(stage) {
  let start = null;
  stage.addEventListener("pointerdown", (event) => {
    const isZoomed = visualViewport && visualViewport.scale > 1.01;
    const isOne = event.pointerType === "touch" && event.isPrimary && !isZoomed;
    start = isOne ? event : null;
  });
  stage.addEventListener("pointercancel", () => {
    start = null;
  });
  stage.addEventListener("pointerup", (event) => {
    if (!start || event.pointerId !== start.pointerId) return;
    const [right, down] = [event.clientX - start.clientX, event.clientY - start.clientY];
    start = null;
    if (Math.abs(right) < SWIPE || Math.abs(right) < 2 * Math.abs(down)) return;
    links[right > 0 ? "ArrowLeft" : "ArrowRight"]?.click();
  });
}

/** Loads the pictures of the neighbours once this one is there, so that the next step shows one. */
function preload() {
  if (navigator.connection?.saveData) return;
  const { sizes } = byId("picture");
  for (const link of Object.values(links)) {
    if (link) Object.assign(new Image(), { sizes, srcset: link.dataset.srcset });
  }
}

followSwipes(byId("stage"));
const picture = byId("picture");
if (picture?.complete) preload();
else picture?.addEventListener("load", preload, { once: true });

// --- A new file on its way ------------------------------------------------------------------

const TRIES = 60;
const EVERY = 2000; // milliseconds

/** Shows the page again once the new file was processed. */
async function waitFor(replacement) {
  for (let tries = 0; tries < TRIES; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, EVERY));
    if (document.hidden) continue;
    const answer = await fetch(replacement.dataset.api).catch(() => null);
    const { is_final: isFinal } = answer?.ok ? await answer.json() : {};
    // Not while somebody writes: the words would be lost.
    if (isFinal && !document.querySelector("details[open] form")) location.reload();
    if (isFinal) return;
  }
}

if (byId("replacement")) waitFor(byId("replacement"));
if (byId("shown-place")) import("./shown_place.js");
if (byId("edit-form")) import("./edit.js");
document.documentElement.dataset.keys = "ready";
