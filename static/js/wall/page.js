/* The wall: shows one photo after the other, for as long as the page is open. */

import "../local_time.js";
import { Feed } from "./feed.js";
import { Order, keyOf } from "./order.js";
import { useScreen } from "./screen.js";
import { Stage } from "./stage.js";
import { PictureStore } from "./store.js";

const AHEAD = 3; // pictures that are fetched before they are needed
const AT_LEAST_MS = 3000; // a photo stays so long even if another one has just arrived
const PATIENCE_MS = 6000; // for the picture that is next, before another one takes its turn
const TIMEOUT_MS = 15_000;

const root = document.getElementById("wall");
const credit = document.getElementById("credit");
const slideMs = Number(root.dataset.slideMs);
const order = new Order();
const stage = new Stage([...root.querySelectorAll(".slide")]);
const pictures = new PictureStore({ onRefused: askAgain });
const feed = new Feed({
  url: root.dataset.photos,
  everyMs: Number(root.dataset.pollMs),
  question: () => ({ after: order.wanted(), shows: order.current?.id }),
  onAnswer,
  onEnded,
});
let timer = null;
let shownAt = 0;
let turn = null; // a change of slides that is under way

function askAgain() {
  feed.hungry();
  feed.soon();
}

async function onAnswer(answer, question) {
  const wasOn = order.current;
  const stays = order.update(answer, question);
  pictures.keepOnly([...order.photos(), ...(order.current ? [order.current] : [])]);
  if (!stays) {
    if (wasOn) clear(); // it left the group
    if (order.photos().length) next();
    else root.dataset.state = "empty";
  } else if (order.hasArrival()) sooner();
  prefetch();
  if (answer.frame !== document.getElementById("frame").dataset.frame) await renewFrame();
}

function onEnded() {
  order.update({ arrivals: [], round: [], next: null, stays: false });
  pictures.keepOnly([]);
  clear();
  root.dataset.state = "ended";
}

function clear() {
  clearTimeout(timer);
  stage.clear();
  credit.textContent = "";
  delete root.dataset.photo;
}

/** The group's name or the code has changed. */
async function renewFrame() {
  try {
    const answer = await fetch(location.pathname, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const frame = answer.ok && page.getElementById("frame");
    if (frame) document.getElementById("frame").replaceWith(frame);
  } catch {
    // The next answer says again that it is old.
  }
}

function prefetch() {
  for (const photo of order.candidates().slice(0, AHEAD)) pictures.load(photo);
}

/** Shortens the turn of what is on the screen, because a photo has arrived. */
function sooner() {
  schedule(Math.min(shownAt + slideMs, Math.max(performance.now(), shownAt + AT_LEAST_MS)));
}

function schedule(at) {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(next, Math.max(0, at - performance.now()));
}

function next() {
  clearTimeout(timer);
  turn ??= change().finally(() => (turn = null));
}

/** Shows the next photo that is there, if there is another one. */
async function change() {
  let isShown = false;
  try {
    const [first] = order.candidates();
    if (first) await Promise.race([pictures.load(first), sleep(PATIENCE_MS)]);
    const photo = order.candidates().find((each) => pictures.has(each));
    isShown = Boolean(photo) && (await show(photo));
  } finally {
    const isLong = isShown || order.current;
    // Without photos, the next answer goes on.
    if (order.photos().length) schedule(performance.now() + (isLong ? slideMs : AT_LEAST_MS));
  }
}

async function show(photo) {
  const isHere = await stage.prepare(pictures.addressOf(photo), photo.alt).then(() => true, () => false);
  // An answer may have come meanwhile: what has left the group must not be seen.
  if (!isHere || !order.candidates().some(({ id }) => id === photo.id)) {
    order.pass(photo);
    pictures.drop(keyOf(photo));
    return false;
  }
  stage.turn();
  const wasArrival = order.hasArrival();
  order.show(photo);
  shownAt = performance.now();
  credit.textContent = photo.by;
  root.dataset.state = "showing";
  root.dataset.photo = photo.id;
  tell(photo);
  prefetch();
  if (wasArrival && !order.hasArrival()) feed.hungry(); // more may be waiting than one answer holds
  if (order.wanted() !== order.after) feed.soon();
  return true;
}

/** The phone of its uploader says that it is on the wall. */
function tell(photo) {
  if (!photo.is_new) return;
  photo.is_new = false;
  fetch(root.dataset.shown, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ids: [photo.id] }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch(() => (photo.is_new = true));
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// A hidden page rests: nobody sees it.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    feed.stop();
    clearTimeout(timer);
  } else {
    feed.ask();
    next();
  }
});
addEventListener("online", () => feed.ask());
useScreen(root, document.getElementById("full-screen"));
feed.ask();
