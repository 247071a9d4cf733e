/* The list: one row per photo, drawn from the <template> in the page. */

import { preview } from "./previews.js";
import { sizeInWords, stateInWords } from "./words.js";

/** `name`, `size` and, if it was chosen in this tab, `file` never change during a row's life. */
export function makeRow({ name, size, file, onRetry }) {
  const row = document.getElementById("photo-row").content.firstElementChild.cloneNode(true);
  const part = (selector) => row.querySelector(selector);
  for (const place of row.querySelectorAll(".photo-name")) place.textContent = name;
  part(".photo-size").textContent = sizeInWords(size);
  part(".photo-retry").addEventListener("click", () => {
    row.focus(); // the button is about to go
    onRetry?.();
  });
  if (file) preview(part(".photo-preview"), file);

  function show({ state, detail, bytes = 0, canRetry = false, thumb = null }) {
    if (row.dataset.state !== state) row.dataset.state = state;
    setText(part(".photo-state"), stateInWords({ state, detail, bytes, size }));
    const bar = part("progress");
    bar.hidden = state !== "sending" && state !== "paused";
    bar.value = size ? bytes / size : 0;
    part(".photo-retry").hidden = !(state === "failed" && canRetry && onRetry);
    if (thumb && !part(".photo-preview > canvas, .photo-preview > img")) showThumb(thumb);
  }

  function showThumb({ url, width, height }) {
    const image = Object.assign(new Image(width, height), { alt: "", loading: "lazy", src: url });
    // Its address ends with the link: the empty frame says more than a broken picture.
    image.addEventListener("error", () => image.remove());
    part(".photo-preview").replaceChildren(image);
  }

  return { element: row, show };
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
