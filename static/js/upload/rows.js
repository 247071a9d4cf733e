/* The two lists: one row per photo, drawn from the <template> in the page, and the rows of what was
   sent on earlier visits, as the receipt has them. */

import { ARRIVED, NOT_SENT, detailOf, keyOf, stateOf } from "./states.js";
import { t, formatSize, stateMessage } from "./messages.js";

// What the row's one button does, by state. Without that act it is not there.
const VERBS = {
  waiting: "cancel",
  sending: "cancel",
  paused: "cancel",
  interrupted: "cancel",
  failed: "retry",
  refused: "retry",
  cancelled: "retry",
  ready: "edit",
  rejected: "edit",
  here: "edit",
  deleted: "undo",
};

/**
 * `name`, `size` and, if it was chosen in this tab, `file` never change during a row's life.
 * `acts` are what its buttons can do: {cancel, retry, edit, undo, dismiss}, each is given the row.
 */
export function makeRow({ name, size, file, acts = {} }) {
  const element = document.getElementById("photo-row").content.firstElementChild.cloneNode(true);
  const part = (selector) => element.querySelector(selector);
  for (const place of element.querySelectorAll(".photo-name")) place.textContent = name;
  part(".photo-size").textContent = formatSize(size);
  const button = part(".photo-action");
  const row = { element, button, show };
  let verb = "";
  button.addEventListener("click", () => {
    const act = acts[verb];
    if (verb !== "edit") element.focus(); // the button is about to go, or to say something else
    act?.(row);
  });
  const dismissal = part(".photo-dismiss");
  dismissal.addEventListener("click", () => acts.dismiss(row));
  // Not before somebody chooses photos; without it the placeholder stays.
  if (file) import("./previews.js").then(({ preview }) => preview(part(".photo-preview"), file), () => {});

  /** `line` is the server's, once it has one. */
  function show({ state, detail, pauseReason, bytes = 0, canRetry = false, thumb = null }, line) {
    if (element.dataset.state !== state) element.dataset.state = state;
    setText(part(".photo-state"), stateMessage({ state, detail, pauseReason, bytes, size }));
    const bar = part("progress");
    const isChecking = state === "sending" && bytes >= size;
    bar.hidden = (state !== "sending" && state !== "paused") || isChecking;
    bar.value = size ? bytes / size : 0;
    const steps = { stored: 2, ready: 3, rejected: 3 }[state] ?? Number(isChecking);
    part(".photo-steps").hidden = !steps;
    [...part(".photo-steps").children].forEach((step, index) => {
      step.toggleAttribute("data-done", index < steps);
    });
    setText(part(".photo-caption"), (state !== "deleted" && line?.photo?.caption) || "");
    verb = VERBS[state] ?? "";
    const isOffered = verb === "retry" ? canRetry : verb !== "edit" || line?.photo;
    button.hidden = !(isOffered && acts[verb]);
    if (!button.hidden) setText(part(".photo-action-label"), t(verb));
    dismissal.hidden = !(acts.dismiss && NOT_SENT.has(state));
    if (thumb && !part(".photo-preview > canvas, .photo-preview > img")) showThumb(thumb);
  }

  function showThumb({ url, width, height }) {
    const image = Object.assign(new Image(width, height), { alt: "", loading: "lazy", src: url });
    // Its address ends with the link: the empty frame says more than a broken picture.
    image.addEventListener("error", () => image.remove());
    part(".photo-preview").replaceChildren(image);
  }

  return row;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Leaves out what was cancelled or dismissed, and tries that failed or broke off if the same file
 * has been tried again since.
 */
function withoutRepeats(uploads, items, dismissed) {
  const mine = new Set(items.flatMap(({ id, clientId }) => [id, clientId]));
  const triedSince = new Set(items.map(({ key }) => key));
  return uploads.filter((line) => {
    if (line.status === "discarded" || mine.has(line.id) || mine.has(line.client_id)) return false;
    if (line.status === "failed" && dismissed.has(line.id)) return false;
    const key = keyOf(line.filename, line.size, line.last_modified);
    const isRepeated = triedSince.has(key);
    triedSince.add(key);
    return ARRIVED.has(stateOf(line)) || !isRepeated;
  });
}

/**
 * `list` is hidden with its `section` as long as it is empty. `acts`, as of rows.js, are given the
 * line as well.
 */
export function makePreviousUploads({ section, list, acts = {} }) {
  const rows = new Map();
  let lines = [];
  let shown = [];

  /** Shows `uploads`, newest first, but not what the list of this visit, `items`, shows. */
  function show(uploads, items = [], dismissed = new Set()) {
    lines = withoutRepeats(uploads, items, dismissed);
    shown = lines.map((line) => ({
      state: stateOf(line),
      detail: detailOf(line),
      thumb: line.thumb,
      // Its bytes are kept, unlike those of any other that failed.
      canRetry: line.failure === "crashed",
    }));
    const ids = new Set(lines.map(({ id }) => id));
    for (const [id, row] of rows) {
      if (ids.has(id)) continue;
      row.element.remove();
      rows.delete(id);
    }
    lines.forEach((line, index) => {
      let row = rows.get(line.id);
      if (!row) {
        row = makeRow({ name: line.filename, size: line.size, acts: actsOf(line.id) });
        rows.set(line.id, row);
        list.append(row.element);
      }
      row.show(shown[index], line);
    });
    section.hidden = !lines.length;
  }

  function actsOf(id) {
    const lineNow = () => lines.find((line) => line.id === id);
    const bound = Object.entries(acts).map(([name, act]) => [name, (row) => act(row, lineNow())]);
    return Object.fromEntries(bound);
  }

  return { show, lines: () => lines, shown: () => shown };
}
