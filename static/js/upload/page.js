/* The upload page: connects what a person does and sees with the queue and the receipt. */

import "../local_time.js";
import { connect } from "./api.js";
import { stayAwake } from "./awake.js";
import { deviceSecret, recall, remember } from "./memory.js";
import { makePast } from "./past.js";
import { makeQueue } from "./queue.js";
import { watchReceipt } from "./receipt.js";
import { makeRow, setText } from "./rows.js";
import { keyOf } from "./states.js";
import { refusalInWords, say, summaryInWords } from "./words.js";

const DRAW_EVERY_MS = 150;
const SPEAK_EVERY_MS = 6000;

const byId = (id) => document.getElementById(id);
const page = byId("upload").dataset;
const input = byId("files");
const limits = { accept: new Set(input.accept.split(",")), maxBytes: Number(page.maxBytes) };
const pace = { stallMs: page.stallSeconds * 1000, signatureMs: page.urlSeconds * 1000 };
const api = connect({
  root: page.api,
  token: page.token,
  device: deviceSecret(),
  timeoutMs: 2 * pace.stallMs,
});

// --- The name -------------------------------------------------------------------------------

const nameField = byId("uploader-name");
const nameOfThisLink = `name:${page.invitation}`;
nameField.value = recall(nameOfThisLink) ?? (nameField.value || recall("name") || "");
nameField.addEventListener("input", () => {
  remember(nameOfThisLink, nameField.value.trim());
  remember("name", nameField.value.trim());
});

// --- The two lists --------------------------------------------------------------------------

const rows = new Map();
const changedItems = new Set();
const past = makePast({ section: byId("past"), list: byId("past-list") });
let receipt = [];
let drawing = null;

const queue = makeQueue({
  api,
  pace,
  uploaderName: () => nameField.value.trim(),
  refusal: (file) => refusalInWords(file, limits),
  earlier,
  changed(item) {
    changedItems.add(item);
    if (item.state === "stored") watch.soon();
    drawSoon();
  },
  merged(kept, dropped) {
    rows.get(dropped)?.element.remove();
    rows.delete(dropped);
    note = `${say("inListAlready", { name: (dropped ?? kept).file.name })} `;
    drawSoon();
  },
  closed: (problem) => warn(`${problem.title}. ${problem.message}`),
});

const watch = watchReceipt({
  api,
  isNeeded: () =>
    [...past.states(), ...queue.items().map(({ state }) => state)].includes("stored"),
  received(uploads) {
    receipt = uploads;
    queue.update(uploads);
    drawSoon();
  },
  failed: (problem) => warn(`${problem.title}. ${problem.message}`),
});

/** The same bytes if both are hashed; else the same name, size and time. */
function earlier(file, hash) {
  return receipt.find(
    (line) =>
      !["failed", "discarded"].includes(line.status) &&
      (hash && line.sha256
        ? line.sha256 === hash && line.size === file.size
        : keyOf(line.filename, line.size, line.last_modified) ===
          keyOf(file.name, file.size, file.lastModified)),
  );
}

function choose(files) {
  if (!files.length) return;
  warn("");
  const list = byId("now-list");
  for (const { item, before } of queue.add(files)) {
    const { file } = item;
    const onRetry = () => {
      warn("");
      queue.retry(item);
    };
    const row = makeRow({ name: file.name, size: file.size, file, onRetry });
    if (rows.has(before)) rows.get(before).element.replaceWith(row.element);
    else list.append(row.element);
    rows.delete(before);
    rows.set(item, row);
    changedItems.add(item);
  }
  draw();
  // On a phone the list begins below what one sees.
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  byId("standing").scrollIntoView({ behavior: isCalm ? "auto" : "smooth" });
}

function drawSoon() {
  drawing ??= setTimeout(draw, DRAW_EVERY_MS);
}

function draw() {
  clearTimeout(drawing);
  drawing = null;
  for (const item of changedItems) rows.get(item)?.show(item);
  changedItems.clear();

  const items = queue.items();
  past.show(receipt, items);
  byId("now").hidden = !items.length;

  const sendable = items.filter(({ isRefused }) => !isRefused);
  const states = [...sendable.map(({ state }) => state), ...past.states()];
  const [count, meaning] = summaryInWords(states);
  const isBusy = queue.isBusy();
  byId("summary").hidden = !count;
  setText(byId("summary-count"), count);
  setText(byId("summary-meaning"), meaning);
  document.title = isBusy ? `${count} · ${page.title}` : page.title;
  if (items.length) speak(`${count}. ${meaning}`, isBusy);
  stayAwake(isBusy);
}

// --- Words for screen readers, and words for all --------------------------------------------

let note = "";
let spokenAt = 0;
let speaking = null;

/** Not every step: a screen reader would talk without end. The last one always. */
function speak(text, isBusy) {
  const wait = isBusy ? spokenAt + SPEAK_EVERY_MS - performance.now() : 0;
  clearTimeout(speaking);
  speaking = setTimeout(() => {
    spokenAt = performance.now();
    setText(byId("spoken"), note + text);
    note = "";
  }, Math.max(0, wait));
}

function warn(text) {
  byId("warning").hidden = !text;
  setText(byId("warning-text"), text);
}

// --- Choosing and dropping ------------------------------------------------------------------

input.addEventListener("change", () => {
  choose([...input.files]);
  input.value = ""; // so that the same photo can be chosen again
});

let depth = 0; // dragenter and dragleave also come from every element passed over
const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
const highlight = (change) => {
  depth = Math.max(0, change);
  byId("chooser").classList.toggle("is-target", depth > 0);
};
addEventListener("dragenter", (event) => hasFiles(event) && highlight(depth + 1));
addEventListener("dragleave", (event) => hasFiles(event) && highlight(depth - 1));
addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault(); // or the browser would leave for the dropped photo
  highlight(0);
  choose([...event.dataTransfer.files]);
});

addEventListener("online", drawSoon);
addEventListener("offline", () => {
  queue.items().forEach((item) => changedItems.add(item));
  drawSoon();
});

byId("chooser").hidden = false;
