/* The upload page: connects what a person does and sees with the queue and the receipt. */

import "../local_time.js";
import { connect } from "./api.js";
import { stayAwake } from "./awake.js";
import { deviceSecret, recall, remember } from "./memory.js";
import { makeOwn } from "./own.js";
import { makePace } from "./pace.js";
import { makePast } from "./past.js";
import { makeQueue } from "./queue.js";
import { watchReceipt } from "./receipt.js";
import { makeRow, setText } from "./rows.js";
import { ARRIVED, SETTLED, keyOf } from "./states.js";
import { paceInWords, refusalInWords, roomInWords, say, summaryInWords } from "./words.js";

const DRAW_EVERY_MS = 150;
const ROWS_AT_ONCE = 5;
const SPEAK_EVERY_MS = 6000;

const byId = (id) => document.getElementById(id);
const page = byId("upload").dataset;
const input = byId("files");
const limits = {
  accept: new Set(input.accept.split(",")),
  formats: page.formats,
  maxBytes: Number(page.maxBytes),
};
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
const surplus = new WeakSet(); // files the link has no room for
const tellPace = makePace();
let receipt = [];
let isWhole = true; // the receipt lists all there is
let room = { files: limitOf(page.filesLeft), bytes: limitOf(page.bytesLeft) };
let drawing = null;

const queue = makeQueue({
  api,
  pace,
  uploaderName: () => nameField.value.trim(),
  refusal: (file) => refusalInWords(file, limits) || shortageInWords(file),
  earlier,
  changed(item) {
    changedItems.add(item);
    drawSoon();
  },
  stored: () => watch.soon(),
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
    [...past.states(), ...queue.items().map(proven)].some((state) =>
      ["stored", "sending"].includes(state),
    ),
  received(uploads, more) {
    receipt = uploads;
    isWhole = !more.next;
    room = more.room ?? room;
    queue.update(uploads);
    draw();
  },
  failed: (problem) => warn(`${problem.title}. ${problem.message}`),
});

async function refresh() {
  await watch.now();
  return receipt;
}

function tell(text, problem) {
  if (problem) return warn(text);
  note = `${text} `;
  draw();
}

const own = makeOwn({ api, token: page.token, refresh, tell });

const past = makePast({
  section: byId("past"),
  list: byId("past-list"),
  acts: {
    ...own,
    retry: (row, line) => act(() => api.post(`images/${line.image}/retry/`)),
    async cancel({ element }, line) {
      const next = element.nextElementSibling ?? element.previousElementSibling;
      await act(() => api.delete(`uploads/${line.id}/`));
      (next ?? byId("summary-count")).focus();
    },
  },
});

async function act(work) {
  try {
    await work();
  } catch (problem) {
    warn(problem.message);
  }
  await refresh();
}

/** What the server has not listed has not been seen to arrive. */
function proven({ state, line }) {
  return ARRIVED.has(state) && state !== "here" && !line && isWhole ? "sending" : state;
}

function limitOf(text) {
  return text ? Number(text) : null;
}

/** Why the link has no room for it, or "". What the server has counted already is not asked. */
function shortageInWords(file) {
  if (earlier(file)) return "";
  const counted = new Set(receipt.map(({ id }) => id));
  const claims = queue
    .items()
    .filter(({ id, state }) => !["failed", "cancelled"].includes(state) && !counted.has(id));
  const bytes = claims.reduce((sum, claim) => sum + claim.file.size, 0);
  const left = {
    files: room.files === null ? Infinity : room.files - claims.length,
    bytes: room.bytes === null ? Infinity : room.bytes - bytes,
  };
  if (left.files >= 1 && left.bytes >= file.size) return "";
  surplus.add(file);
  return roomInWords(room);
}

/** The same bytes if both are hashed; else the same name, size and time. */
function earlier(file, hash) {
  return receipt.find(
    (line) =>
      !["failed", "discarded"].includes(line.status) &&
      !line.photo?.trashed_at &&
      (hash && line.sha256
        ? line.sha256 === hash && line.size === file.size
        : keyOf(line.filename, line.size, line.last_modified) ===
          keyOf(file.name, file.size, file.lastModified)),
  );
}

async function choose(files) {
  if (!files.length) return;
  warn("");
  add(files.slice(0, ROWS_AT_ONCE));
  draw();
  // On a phone the list begins below what one sees.
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  byId("standing").scrollIntoView({ behavior: isCalm ? "auto" : "smooth" });
  for (let next = ROWS_AT_ONCE; next < files.length; next += ROWS_AT_ONCE) {
    await new Promise((resolve) => setTimeout(resolve)); // somebody may be typing
    add(files.slice(next, next + ROWS_AT_ONCE));
    drawSoon();
  }
  const refused = files.filter((file) => surplus.has(file)).length;
  if (refused) warn(`${roomInWords(room)} ${say("surplus", { count: refused })}`);
}

function add(files) {
  const list = byId("now-list");
  for (const { item, before } of queue.add(files)) {
    const { file } = item;
    const acts = {
      retry: () => retry(item),
      cancel: () => queue.cancel(item),
      edit: (row) => own.edit(row, item.line),
      undo: (row) => own.undo(row, item.line),
    };
    // Not even tried, yet it may fit once somebody made room.
    if (surplus.has(file)) item.canRetry = true;
    const row = makeRow({ name: file.name, size: file.size, file, acts });
    if (rows.has(before)) rows.get(before).element.replaceWith(row.element);
    else list.append(row.element);
    rows.delete(before);
    rows.set(item, row);
    changedItems.add(item);
  }
}

function drawSoon() {
  drawing ??= setTimeout(draw, DRAW_EVERY_MS);
}

function draw() {
  clearTimeout(drawing);
  drawing = null;
  for (const item of changedItems) rows.get(item)?.show(item, item.line);
  changedItems.clear();

  const items = queue.items();
  past.show(receipt, items);
  byId("now").hidden = !items.length;

  const sendable = items.filter(({ isRefused }) => !isRefused);
  const states = [...sendable.map(proven), ...past.states()].filter(
    (state) => state !== "cancelled" && state !== "deleted",
  );
  const [count, meaning] = summaryInWords(states);
  const isBusy = queue.isBusy();
  byId("summary").hidden = !count;
  setText(byId("summary-count"), count);
  setText(byId("summary-meaning"), meaning);
  drawPace(sendable, isBusy);
  byId("cancel-all").hidden = items.filter(isCancellable).length < 2;
  byId("retry-all").hidden = items.filter(isRetriable).length < 2;
  byId("no-place").hidden = ![...receipt].some(({ photo }) => photo && isWithoutPlace(photo));
  document.title = isBusy ? `${count} · ${page.title}` : page.title;
  if (items.length || note) speak(`${count}. ${meaning}`, isBusy);
  stayAwake(isBusy);
}

/** How much of what is chosen has left, and how long the rest will take. */
function drawPace(items, isBusy) {
  const sent = { sent: 0, total: 0, isMoving: false };
  for (const { state, bytes, file } of items) {
    if (["failed", "cancelled", "here", "deleted"].includes(state)) continue;
    sent.sent += Math.min(bytes, file.size);
    sent.total += file.size;
    sent.isMoving ||= state === "sending";
  }
  const minutes = tellPace(sent);
  byId("pace").hidden = !(isBusy && sent.total);
  byId("pace-bar").value = sent.total && sent.sent / sent.total;
  setText(byId("pace-words"), paceInWords(sent, minutes));
}

const isCancellable = ({ state }) => !SETTLED.has(state);
const isRetriable = ({ state, canRetry }) => state === "failed" && canRetry;
const isWithoutPlace = ({ location, gps_source: source, trashed_at: trashedAt }) =>
  !location && !source && !trashedAt;

function retry(item) {
  warn("");
  queue.retry(item);
}

/** With the focus on the first of them: the button is about to go. */
function each(wanted, work) {
  const some = queue.items().filter(wanted);
  rows.get(some[0])?.element.focus();
  some.forEach((item) => work(item));
}

byId("cancel-all").addEventListener("click", () => each(isCancellable, queue.cancel));
byId("retry-all").addEventListener("click", () => each(isRetriable, retry));
setInterval(() => queue.isBusy() && drawSoon(), 1000); // silence counts, too

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
let isForCamera = false;
byId("camera").addEventListener("click", () => {
  isForCamera = true;
  input.click();
});
input.addEventListener("click", () => {
  // Just before the browser looks at them.
  if (isForCamera) input.setAttribute("capture", "environment");
  else input.removeAttribute("capture");
  input.multiple = !isForCamera;
  isForCamera = false;
});
byId("chooser").addEventListener("submit", (event) => event.preventDefault());
addEventListener("paste", ({ clipboardData }) => choose([...(clipboardData?.files ?? [])]));

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

// From here on this page sends by itself; until here its plain form did.
byId("chooser").hidden = false;
byId("chooser").classList.add("is-live");
byId("camera").hidden = false;
byId("send")?.remove();
