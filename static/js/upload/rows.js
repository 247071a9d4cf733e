/* The list: one row per photo, drawn from the <template> in the page. */

import { preview } from "./previews.js";
import { say, sizeInWords, stateInWords } from "./words.js";

// What the row's one button does, by state. Without that act it is not there.
const VERBS = {
  waiting: "cancel",
  sending: "cancel",
  paused: "cancel",
  interrupted: "cancel",
  failed: "retry",
  cancelled: "retry",
  ready: "edit",
  here: "edit",
  deleted: "undo",
};

/**
 * `name`, `size` and, if it was chosen in this tab, `file` never change during a row's life.
 * `acts` are what its button can do: {cancel, retry, edit, undo}, each is given the row.
 */
export function makeRow({ name, size, file, acts = {} }) {
  const element = document.getElementById("photo-row").content.firstElementChild.cloneNode(true);
  const part = (selector) => element.querySelector(selector);
  for (const place of element.querySelectorAll(".photo-name")) place.textContent = name;
  part(".photo-size").textContent = sizeInWords(size);
  const button = part(".photo-act");
  const row = { element, button, show };
  let verb = "";
  button.addEventListener("click", () => {
    const act = acts[verb];
    if (verb !== "edit") element.focus(); // the button is about to go, or to say something else
    act?.(row);
  });
  if (file) preview(part(".photo-preview"), file);

  /** `line` is the server's, once it has one. */
  function show({ state, detail, bytes = 0, canRetry = false, thumb = null }, line) {
    if (element.dataset.state !== state) element.dataset.state = state;
    setText(part(".photo-state"), stateInWords({ state, detail, bytes, size }));
    const bar = part("progress");
    const isChecking = state === "sending" && bytes >= size;
    bar.hidden = (state !== "sending" && state !== "paused") || isChecking;
    bar.value = size ? bytes / size : 0;
    const steps = { stored: 2, ready: 3 }[state] ?? Number(isChecking);
    part(".photo-steps").hidden = !steps;
    [...part(".photo-steps").children].forEach((step, index) => {
      step.toggleAttribute("data-done", index < steps);
    });
    setText(part(".photo-caption"), (state !== "deleted" && line?.photo?.caption) || "");
    verb = VERBS[state] ?? "";
    const isOffered = verb === "retry" ? canRetry : verb !== "edit" || line?.photo;
    button.hidden = !(isOffered && acts[verb]);
    if (!button.hidden) setText(part(".photo-verb"), say(verb));
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
