/* The upload page: connects what a person does and sees with the queue and the receipt. */

import "../local_time.js";
import { connect } from "./api.js";
import { headline } from "./headline.js";
import { deviceSecret, getItem, setItem } from "./local_storage.js";
import { makeProgressRate } from "./progress_rate.js";
import { makeQueue } from "./queue.js";
import { watchReceipt } from "./receipt.js";
import { makePreviousUploads, makeRow, setText } from "./rows.js";
import { NOT_SENT, SETTLED, keyOf } from "./states.js";
import { progressMessage, refusalMessage, roomMessage, t } from "./messages.js";

const DRAW_EVERY_MS = 150;
const ROWS_AT_ONCE = 5;
const SPEAK_EVERY_MS = 6000;
const DISMISSALS = 200;

const byId = (id) => document.getElementById(id);
const page = byId("upload").dataset;
const input = byId("files");
const choosing = document.querySelector("label[for=files]");
const limits = {
  accept: new Set(input.accept.split(",")),
  formats: page.formats,
  maxBytes: Number(page.maxBytes),
};
const timeouts = { stallMs: page.stallSeconds * 1000, signatureMs: page.urlSeconds * 1000 };
const api = connect({
  root: page.api,
  token: page.token,
  device: deviceSecret(page.device),
  timeoutMs: 2 * timeouts.stallMs,
});

// --- The name -------------------------------------------------------------------------------

const nameField = byId("uploader-name");
const nameOfThisLink = `name:${page.invitation}`;
nameField.value = getItem(nameOfThisLink) ?? (nameField.value || getItem("name") || "");
nameField.addEventListener("input", () => {
  setItem(nameOfThisLink, nameField.value.trim());
  setItem("name", nameField.value.trim());
});

// --- The two lists --------------------------------------------------------------------------

const rows = new Map();
const changedItems = new Set();
const minutesLeft = makeProgressRate();
const dismissed = new Set((getItem("dismissed") ?? "").split(" "));
let receipt = [];
let closed = ""; // why the link takes nothing more, if it has said so
let repeats = 0; // chosen, and in the list already
let room = { files: limitOf(page.filesLeft), bytes: limitOf(page.bytesLeft) };
let drawing = null;
let awake = null; // the module, once there is a reason to be

const queue = makeQueue({
  api,
  timeouts,
  uploaderName: () => nameField.value.trim(),
  refusal(file) {
    const detail = refusalMessage(file, limits);
    if (detail) return { detail };
    const shortage = shortageMessage(file);
    // It may fit once somebody made room.
    return shortage && { detail: shortage, canRetry: true };
  },
  earlier,
  changed(item) {
    changedItems.add(item);
    drawSoon();
  },
  stored: () => watch.soon(),
  merged() {
    repeats += 1;
    drawSoon();
  },
  closed({ title, message }) {
    closed = `${title}. ${message}`;
    drawSoon();
  },
});

const watch = watchReceipt({
  api,
  isNeeded: () => [...previousUploads.shown(), ...queue.items()].some(({ state }) => state === "stored"),
  received(uploads, more) {
    receipt = uploads;
    room = more.room ?? room;
    queue.update(uploads);
    draw();
  },
  failed: queue.close,
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

// Comes with the first photo it is good for.
let own = null;
const loadMyPhotos = () =>
  (own ??= import("./my_photos.js").then(
    ({ makeMyPhotos }) => makeMyPhotos({ api, token: page.token, refresh, tell }),
    () => {
      own = null;
      warn(t("noAnswer"));
    },
  ));
const edit = async (row, line) => (await loadMyPhotos())?.edit(row, line);
const undo = async (row, line) => (await loadMyPhotos())?.undo(row, line);

const previousUploads = makePreviousUploads({
  section: byId("previous-uploads"),
  list: byId("previous-uploads-list"),
  acts: {
    edit,
    undo,
    dismiss: (row, { id }) => leave(row, () => dismiss(id)),
    retry: (row, line) => act(() => api.post(`images/${line.image}/retry/`)),
    cancel: (row, line) => leave(row, () => act(() => api.delete(`uploads/${line.id}/`))),
  },
});

/** With the focus on the row beside the one that is about to go. */
async function leave({ element }, work) {
  const next = element.nextElementSibling ?? element.previousElementSibling;
  await work();
  (next ?? byId("summary-count")).focus();
}

function dismiss(id) {
  dismissed.add(id);
  setItem("dismissed", [...dismissed].slice(-DISMISSALS).join(" "));
  draw();
}

async function act(work) {
  try {
    await work();
  } catch (problem) {
    warn(problem.message);
  }
  await refresh();
}

function limitOf(text) {
  return text ? Number(text) : null;
}

/** Why the link has no room for it, or "". What the server has counted already is not asked. */
function shortageMessage(file) {
  if (earlier(file)) return "";
  const counted = new Set(receipt.map(({ id }) => id));
  const claims = queue
    .items()
    .filter(({ id, state }) => !(NOT_SENT.has(state) || state === "cancelled" || counted.has(id)));
  const bytes = claims.reduce((sum, claim) => sum + claim.file.size, 0);
  const left = {
    files: room.files === null ? Infinity : room.files - claims.length,
    bytes: room.bytes === null ? Infinity : room.bytes - bytes,
  };
  return left.files >= 1 && left.bytes >= file.size ? "" : roomMessage(room);
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
  awake ??= import("./wake_lock.js");
  startAnew();
  for (let next = 0; next < files.length; next += ROWS_AT_ONCE) {
    if (next) await new Promise((resolve) => setTimeout(resolve)); // somebody may be typing
    add(files.slice(next, next + ROWS_AT_ONCE));
    draw(); // no row without the headline counting it
    if (next) continue;
    // On a phone the list begins below what one sees. Not smoothly: that ends short of it where
    // the page grows meanwhile.
    byId("standing").scrollIntoView();
  }
}

/** What was said of the time before is over. */
function startAnew() {
  warn("");
  closed = "";
  repeats = 0;
}

function add(files) {
  const list = byId("now-list");
  for (const { item, before } of queue.add(files)) {
    const { file } = item;
    const acts = {
      retry: () => retry(item),
      cancel: () => queue.cancel(item),
      edit: (row) => edit(row, item.line),
      undo: (row) => undo(row, item.line),
      dismiss: (row) =>
        leave(row, () => {
          queue.dismiss(item);
          dismiss(item.id);
        }),
    };
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
  const items = queue.items();
  const listed = new Set(items);
  for (const item of changedItems) {
    if (listed.has(item)) rows.get(item)?.show(item, item.line);
    else {
      rows.get(item)?.element.remove();
      rows.delete(item);
    }
  }
  changedItems.clear();
  previousUploads.show(receipt, items, dismissed);
  byId("now").hidden = !items.length;

  const all = [...items, ...previousUploads.shown()];
  const isOnline = navigator.onLine !== false;
  const [count, said] = headline(all, { isOnline, closed });
  const again = repeats && t("inListAlready", { count: repeats });
  const meaning = again ? `${again} ${said}` : said;
  const isBusy = queue.isBusy();
  byId("summary").hidden = !(count || meaning);
  setText(byId("summary-count"), count);
  setText(byId("summary-meaning"), meaning);
  drawProgress(items, isBusy);
  drawChooser(all);
  if (receipt.some(({ photo }) => photo)) loadMyPhotos();
  byId("cancel-all").hidden = items.filter(isCancellable).length < 2;
  byId("retry-all").hidden = items.filter(isRetriable).length < 2;
  byId("no-place").hidden = !receipt.some(({ photo }) => photo && isWithoutPlace(photo));
  document.title = isBusy ? `${count} · ${page.title}` : page.title;
  if (items.length || note) speak(`${count}. ${meaning}`, isBusy);
  const isAtWork = items.some((item) => isCancellable(item) && !item.isApart);
  awake?.then(({ holdWakeLock }) => holdWakeLock(isAtWork), () => {});
}

/** A link that takes nothing new still takes what broke off: a quiet button is enough for that. */
function drawChooser(all) {
  const isShut = "shut" in page;
  const isFull = room.files === 0 || room.bytes === 0;
  const isQuiet = Boolean(isShut || isFull || closed);
  byId("chooser").classList.toggle("is-closed", isQuiet);
  choosing.classList.toggle("is-quiet", isQuiet);
  if (isQuiet) setText(byId("choose-hint"), page.formats); // no more how many it takes
  const isHidden = isShut && !all.some(({ state }) => state === "interrupted");
  for (const id of ["chooser", "broke-off"]) if (byId(id)) byId(id).hidden = isHidden;
}

/** How much of what is chosen has left, and how long the rest will take. */
function drawProgress(items, isBusy) {
  const sent = { sent: 0, total: 0, isMoving: false };
  for (const { state, bytes, file } of items) {
    if (NOT_SENT.has(state) || ["cancelled", "here", "copy", "deleted"].includes(state)) continue;
    sent.sent += Math.min(bytes, file.size);
    sent.total += file.size;
    sent.isMoving ||= state === "sending";
  }
  const minutes = minutesLeft(sent);
  byId("progress").hidden = !(isBusy && sent.total);
  byId("progress-bar").value = sent.total && sent.sent / sent.total;
  setText(byId("progress-message"), progressMessage(sent, minutes));
}

const isCancellable = ({ state }) => !SETTLED.has(state);
const isRetriable = ({ state, canRetry }) => NOT_SENT.has(state) && canRetry;
const isWithoutPlace = ({ location, gps_source: source, trashed_at: trashedAt }) =>
  !location && !source && !trashedAt;

function retry(item) {
  startAnew();
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

// --- Choosing -------------------------------------------------------------------------------

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
// Phones have nothing to drop or paste from.
if (matchMedia("(any-hover: hover)").matches) {
  import("./drop.js").then(({ takeDropped }) => takeDropped(byId("chooser"), choose));
}

for (const name of ["online", "offline"]) {
  addEventListener(name, () => {
    queue.items().forEach((item) => changedItems.add(item));
    drawSoon();
  });
}

// From here on this page sends by itself; until here its plain form did.
byId("chooser").classList.add("is-live");
byId("camera").hidden = false;
byId("send")?.remove();
draw();
