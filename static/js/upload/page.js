/* The upload page: connects its elements with the queue and the receipt. */

import "../local_time.js";
import { connect } from "./api.js";
import { headline } from "./headline.js";
import { deviceSecret, getItem, setItem } from "./local_storage.js";
import { refusalMessage, roomMessage, t } from "./messages.js";
import { UploadQueue } from "./queue.js";
import { ReceiptPoller } from "./receipt.js";
import { PreviousUploads, makeRow, setText } from "./rows.js";
import { NOT_SENT, isSettled, keyOf } from "./states.js";

const DRAW_EVERY_MS = 150;
const ROWS_AT_ONCE = 5;
const ANNOUNCE_EVERY_MS = 6000;
const MAX_DISMISSED = 200;

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
  group: page.group,
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
const dismissed = new Set((getItem("dismissed") ?? "").split(" "));
let receipt = [];
let closed = ""; // why the link takes nothing more
let repeats = 0; // files that were chosen, but are in the list already
let room = { files: limitOf(page.filesLeft), bytes: limitOf(page.bytesLeft) };
let drawing = null;
// Loaded with the first choice.
let wakeLock = null;
let progress = null;

const queue = new UploadQueue({
  api,
  timeouts,
  about: () => ({
    uploader_name: nameField.value.trim(),
    licence: document.querySelector("#licence:checked")?.value,
  }),
  refusal(file) {
    const detail = refusalMessage(file, limits);
    if (detail) return { detail };
    const shortage = shortageMessage(file);
    // It may fit later, if somebody makes room.
    return shortage && { detail: shortage, canRetry: true };
  },
  previousUpload,
  onChange(item) {
    changedItems.add(item);
    drawSoon();
  },
  onStored: () => poller.soon(),
  onRepeat() {
    repeats += 1;
    drawSoon();
  },
  onClose({ title, message, body }) {
    closed = `${title}. ${message}`;
    // licence.js shows the sentence of now.
    dispatchEvent(new CustomEvent("licence", { detail: body.licence }));
    drawSoon();
  },
});

const poller = new ReceiptPoller({
  api,
  isNeeded: () => [...previousUploads.items, ...queue.items()].some(({ state }) => state === "stored"),
  onReceipt(uploads, more) {
    receipt = uploads;
    room = more.room ?? room;
    queue.update(uploads);
    draw();
  },
  onRefusal: (problem) => queue.close(problem),
});

async function refresh() {
  await poller.now();
  return receipt;
}

function notify(text, problem) {
  if (problem) return warn(text);
  notice = `${text} `;
  draw();
}

// Loaded with the first photo that can be edited.
let myPhotos = null;
const loadMyPhotos = () =>
  (myPhotos ??= import("./my_photos.js").then(
    ({ makeMyPhotos }) => makeMyPhotos({ api, token: page.token, refresh, notify }),
    () => {
      myPhotos = null;
      warn(t("noAnswer"));
    },
  ));
const edit = async (row, upload) => (await loadMyPhotos())?.edit(row, upload);
const undo = async (row, upload) => (await loadMyPhotos())?.undo(row, upload);

const previousUploads = new PreviousUploads({
  section: byId("previous-uploads"),
  list: byId("previous-uploads-list"),
  actions: {
    edit,
    undo,
    dismiss: (row, { id }) => focusNeighbour(row, () => dismiss(id)),
    retry: (row, { image }) => request(() => api.post(`images/${image}/retry/`)),
    cancel: (row, { id }) =>
      focusNeighbour(row, () => request(() => api.delete(`uploads/${id}/`))),
  },
});

/** Runs `work`, which removes the row, and keeps the focus in the list. */
async function focusNeighbour({ element }, work) {
  const neighbour = element.nextElementSibling ?? element.previousElementSibling;
  await work();
  (neighbour ?? byId("summary-count")).focus();
}

function dismiss(id) {
  dismissed.add(id);
  setItem("dismissed", [...dismissed].slice(-MAX_DISMISSED).join(" "));
  draw();
}

async function request(send) {
  try {
    await send();
  } catch (problem) {
    warn(problem.message);
  }
  await refresh();
}

function limitOf(text) {
  return text ? Number(text) : null;
}

/** Why the link has no room for the file, or "". */
function shortageMessage(file) {
  if (previousUpload(file)) return "";
  // The server's numbers do not include these yet.
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

/** The upload with the same bytes if both are hashed, else with the same name, size and time. */
function previousUpload(file, hash) {
  return receipt.find(
    (upload) =>
      !["failed", "discarded"].includes(upload.status) &&
      !upload.photo?.trashed_at &&
      (hash && upload.sha256
        ? upload.sha256 === hash && upload.size === file.size
        : keyOf(upload.filename, upload.size, upload.last_modified) ===
          keyOf(file.name, file.size, file.lastModified)),
  );
}

async function choose(files) {
  if (!files.length) return;
  wakeLock ??= import("./wake_lock.js");
  progress ??= import("./progress_rate.js").then(({ makeProgressBar }) => makeProgressBar());
  clearNotices();
  for (let next = 0; next < files.length; next += ROWS_AT_ONCE) {
    if (next) await new Promise((resolve) => setTimeout(resolve)); // typing must not stall
    add(files.slice(next, next + ROWS_AT_ONCE));
    draw(); // the headline counts each row that is there
    // On a phone the list begins below the fold. Smooth scrolling would stop short of it, because
    // the page grows meanwhile.
    if (!next) byId("status-area").scrollIntoView();
  }
}

function clearNotices() {
  warn("");
  closed = "";
  repeats = 0;
}

function add(files) {
  const list = byId("now-list");
  for (const { item, before } of queue.add(files)) {
    const { file } = item;
    const actions = {
      retry: () => retry(item),
      cancel: () => queue.cancel(item),
      edit: (row) => edit(row, item.upload),
      undo: (row) => undo(row, item.upload),
      dismiss: (row) =>
        focusNeighbour(row, () => {
          queue.dismiss(item);
          dismiss(item.id);
        }),
    };
    const row = makeRow({ name: file.name, size: file.size, file, actions });
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
    if (listed.has(item)) rows.get(item)?.show(item, item.upload);
    else {
      rows.get(item)?.element.remove();
      rows.delete(item);
    }
  }
  changedItems.clear();
  previousUploads.show(receipt, items, dismissed);
  byId("now").hidden = !items.length;

  const all = [...items, ...previousUploads.items];
  const isOnline = navigator.onLine !== false;
  const [count, statement] = headline(all, { isOnline, closed });
  const repeated = repeats && t("inListAlready", { count: repeats });
  const meaning = repeated ? `${repeated} ${statement}` : statement;
  const isBusy = queue.isBusy();
  byId("summary").hidden = !(count || meaning);
  setText(byId("summary-count"), count);
  setText(byId("summary-meaning"), meaning);
  drawChooser(all);
  if (receipt.some(({ photo }) => photo)) loadMyPhotos();
  byId("cancel-all").hidden = items.filter(isCancellable).length < 2;
  byId("retry-all").hidden = items.filter(isRetriable).length < 2;
  byId("no-place").hidden = !receipt.some(({ photo }) => photo && isWithoutPlace(photo));
  document.title = isBusy ? `${count} · ${page.title}` : page.title;
  if (items.length || notice) announce(`${count}. ${meaning}`, isBusy);
  const isSending = items.some((item) => isCancellable(item) && !item.deferrals);
  progress?.then((drawProgress) => drawProgress(items, isBusy), () => {});
  wakeLock?.then(({ holdWakeLock }) => holdWakeLock(isSending), () => {});
}

/** A closed link still takes unfinished uploads: for these the button stays, less prominent. */
function drawChooser(all) {
  const isClosed = "closed" in page;
  const isFull = room.files === 0 || room.bytes === 0;
  const isQuiet = Boolean(isClosed || isFull || closed);
  byId("chooser").classList.toggle("is-closed", isQuiet);
  choosing.classList.toggle("is-quiet", isQuiet);
  if (isQuiet) setText(byId("choose-hint"), page.formats); // without the number of photos that it takes
  const isHidden = isClosed && !all.some(({ state }) => state === "interrupted");
  for (const id of ["chooser", "broke-off"]) if (byId(id)) byId(id).hidden = isHidden;
}

const isCancellable = ({ state }) => !isSettled(state);
const isRetriable = ({ state, canRetry }) => NOT_SENT.has(state) && canRetry;
const isWithoutPlace = ({ location, gps_source: source, trashed_at: trashedAt }) =>
  !location && !source && !trashedAt;

function retry(item) {
  clearNotices();
  queue.retry(item);
}

/** Runs `work` on the items, and focuses the first of them, because the button will be hidden. */
function forEachItem(isWanted, work) {
  const items = queue.items().filter(isWanted);
  rows.get(items[0])?.element.focus();
  items.forEach(work);
}

byId("cancel-all").addEventListener("click", () =>
  forEachItem(isCancellable, (item) => queue.cancel(item)),
);
byId("retry-all").addEventListener("click", () => forEachItem(isRetriable, retry));
setInterval(() => queue.isBusy() && drawSoon(), 1000); // the estimate changes in silence, too

// --- Screen readers, and warnings -----------------------------------------------------------

let notice = "";
let announcedAt = 0;
let announcing = null;

/** Tells a screen reader now and then, or it would talk without end; the last text always. */
function announce(text, isBusy) {
  const wait = isBusy ? announcedAt + ANNOUNCE_EVERY_MS - performance.now() : 0;
  clearTimeout(announcing);
  announcing = setTimeout(() => {
    announcedAt = performance.now();
    setText(byId("spoken"), notice + text);
    notice = "";
  }, Math.max(0, wait));
}

function warn(text) {
  byId("warning").hidden = !text;
  setText(byId("warning-text"), text);
}

// --- Choosing -------------------------------------------------------------------------------

function chooseFiles() {
  choose([...input.files]);
  input.value = ""; // so that the same photo can be chosen again
}

input.addEventListener("change", chooseFiles);
import("./camera.js").then(({ useCamera }) => useCamera(input), () => {});
byId("chooser").addEventListener("submit", (event) => event.preventDefault());
// Phones have no files to drag, and none to paste.
if (matchMedia("(any-hover: hover)").matches) {
  import("./drop.js").then(({ acceptDrops }) => acceptDrops(byId("chooser"), choose));
}

window.ononline = window.onoffline = () => {
  queue.items().forEach((item) => changedItems.add(item));
  drawSoon();
};

// Without this module, the plain form sends the photos.
byId("chooser").classList.add("is-live");
byId("send")?.remove();
draw();
chooseFiles(); // what was chosen while this script was on its way
// Tells the host that the link was opened; not by GET, which previews in chats do.
if (page.token) navigator.sendBeacon("opened/");
