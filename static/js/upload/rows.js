/* The rows of the two lists, made from the <template> in the page, and the list of what was sent on
   earlier visits. */

import { formatSize, stateMessage, t } from "./messages.js";
import { ARRIVED, NOT_SENT, can, detailOf, displayed, keyOf, stateOf } from "./states.js";

const DONE_STEPS = { stored: 2, ready: 3, rejected: 3 };

/**
 * `file` is given if it was chosen in this tab. `actions` are called with the row: {cancel, retry,
 * edit, undo, dismiss}. An action that is missing is not offered.
 */
export function makeRow({ name, size, file, actions = {} }) {
  const element = document.getElementById("photo-row").content.firstElementChild.cloneNode(true);
  const part = (selector) => element.querySelector(selector);
  for (const place of element.querySelectorAll(".photo-name")) place.textContent = name;
  part(".photo-size").textContent = formatSize(size);
  const button = part(".photo-action");
  const dismissal = part(".photo-dismiss");
  let action = "";
  button.addEventListener("click", () => {
    const run = actions[action];
    if (action !== "edit") element.focus(); // the button will be hidden, or get another label
    run?.(row);
  });
  dismissal.addEventListener("click", () => actions.dismiss(row));
  // Without the module, or a picture that it can decode, the placeholder stays.
  if (file) import("./previews.js").then(({ preview }) => preview(part(".photo-preview"), file), () => {});

  /** `upload` is the server's, once it is known. */
  function show(item, upload) {
    const { detail, pauseReason, bytes = 0, canRetry, thumb } = item;
    const state = displayed(item.state);
    if (element.dataset.state !== state) element.dataset.state = state;
    const said = upload?.gallery ?? state; // once it is ready
    setText(part(".photo-state"), stateMessage({ state: said, detail, pauseReason, bytes, size }));
    const isChecking = state === "sending" && bytes >= size;
    const bar = part("progress");
    bar.hidden = (state !== "sending" && state !== "paused") || isChecking;
    bar.value = size ? bytes / size : 0;
    const steps = DONE_STEPS[state] ?? Number(isChecking);
    part(".photo-steps").hidden = !steps;
    [...part(".photo-steps").children].forEach((step, index) => {
      step.toggleAttribute("data-done", index < steps);
    });
    setText(part(".photo-caption"), (state !== "deleted" && upload?.photo?.caption) || "");
    action = actionIn(item.state);
    const isPossible = action === "retry" ? canRetry : action !== "edit" || upload?.photo;
    button.hidden = !(isPossible && actions[action]);
    if (!button.hidden) setText(part(".photo-action-label"), t(action));
    dismissal.hidden = !(actions.dismiss && NOT_SENT.has(state));
    if (thumb && !part(".photo-preview > canvas, .photo-preview > img")) showThumb(thumb);
  }

  function showThumb({ url, width, height }) {
    const image = Object.assign(new Image(width, height), { alt: "", loading: "lazy", src: url });
    // Its URL expires with the link. An empty frame is better than a broken picture.
    image.addEventListener("error", () => image.remove());
    part(".photo-preview").replaceChildren(image);
  }

  const row = { element, button, show };
  return row;
}

/** The action of the row's button. */
function actionIn(state) {
  if (state === "interrupted" || can(state, "cancel")) return "cancel";
  if (can(state, "retry")) return "retry";
  if (["ready", "rejected", "here"].includes(state)) return "edit";
  return state === "deleted" ? "undo" : "";
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** `section` is hidden while there are none. `actions`, as of makeRow(), also get the upload. */
export class PreviousUploads {
  rows = new Map();
  uploads = [];
  items = [];

  constructor({ section, list, actions }) {
    Object.assign(this, { section, list, actions });
  }

  /** Shows `receipt`, newest first, without what the list of this visit shows, `current`. */
  show(receipt, current = [], dismissed = new Set()) {
    this.uploads = withoutRepeats(receipt, current, dismissed);
    this.items = this.uploads.map((upload) => ({
      state: stateOf(upload),
      detail: detailOf(upload),
      thumb: upload.thumb,
      // Of other failures the bytes are gone.
      canRetry: upload.failure === "crashed",
    }));
    const ids = new Set(this.uploads.map(({ id }) => id));
    for (const [id, { element }] of this.rows) {
      if (ids.has(id)) continue;
      element.remove();
      this.rows.delete(id);
    }
    this.uploads.forEach((upload, index) => this.row(upload).show(this.items[index], upload));
    this.section.hidden = !this.uploads.length;
  }

  row({ id, filename: name, size }) {
    if (!this.rows.has(id)) {
      const row = makeRow({ name, size, actions: this.actionsOf(id) });
      this.rows.set(id, row);
      this.list.append(row.element);
    }
    return this.rows.get(id);
  }

  actionsOf(id) {
    const upload = () => this.uploads.find((each) => each.id === id);
    const bound = Object.entries(this.actions).map(([name, run]) => [name, (row) => run(row, upload())]);
    return Object.fromEntries(bound);
  }
}

/**
 * Leaves out what was cancelled or dismissed, and what did not arrive if the same file was sent
 * again since.
 */
function withoutRepeats(receipt, current, dismissed) {
  const listed = new Set(current.flatMap(({ id, clientId }) => [id, clientId]));
  const sentSince = new Set(current.map(({ key }) => key));
  return receipt.filter((upload) => {
    const { id, status } = upload;
    if (status === "discarded" || listed.has(id) || listed.has(upload.client_id)) return false;
    if (status === "failed" && dismissed.has(id)) return false;
    const key = keyOf(upload.filename, upload.size, upload.last_modified);
    const isRepeated = sentSince.has(key);
    sentSince.add(key);
    return ARRIVED.has(stateOf(upload)) || !isRepeated;
  });
}
