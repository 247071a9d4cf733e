/* The crop that pointers and keys change. Its numbers are pixels of the photo; what is on the screen
   follows from them, and not the other way round, so that a smaller window changes no number. */

import "cropperjs";
import { cut, within } from "./geometry.js";

const STEP = 0.01; // of the photo's longer edge, for one press of a key

/** `read` and `ratio` return what the fields say, `write` fills them. */
export function makeCrop({ canvas, selection, keys, picture, photo, read, ratio, write }) {
  let isShowing = false;
  let isMoved = false;

  const scale = () => picture.clientWidth / photo.width;

  /** Places the frame where the fields say it is. */
  function show() {
    canvas.hidden = false;
    const { x, y, width, height } = read();
    isShowing = true;
    selection.aspectRatio = NaN; // the fields have it already, in whole pixels
    selection.$change(...[x, y, width, height].map((length) => length * scale()), NaN, true);
    selection.aspectRatio = ratio() || NaN;
    isShowing = false;
  }

  canvas.addEventListener("actionmove", ({ detail }) => {
    isMoved = detail.action === "move";
  });

  selection.addEventListener("change", (event) => {
    if (isShowing) return;
    event.preventDefault();
    const wanted = {};
    for (const name of ["x", "y", "width", "height"]) wanted[name] = event.detail[name] / scale();
    if (isMoved) write(within({ ...read(), x: wanted.x, y: wanted.y }, photo));
    else write(ratio() ? within(wanted, photo, ratio()) : cut(wanted, photo));
    show();
  });

  keys.addEventListener("keydown", (event) => {
    const by = Math.max(1, Math.round(STEP * Math.max(photo.width, photo.height)));
    const across = { ArrowLeft: -by, ArrowRight: by }[event.key] ?? 0;
    const down = { ArrowUp: -by, ArrowDown: by }[event.key] ?? 0;
    if ((!across && !down) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const { x, y, width, height } = read();
    if (!event.shiftKey) write(within({ x: x + across, y: y + down, width, height }, photo));
    else if (!ratio()) write(cut({ x, y, width: width + across, height: height + down }, photo));
    else write(within({ x, y, width: width + across + down * ratio(), height }, photo, ratio()));
    show();
  });

  new ResizeObserver(show).observe(picture);
  return { show };
}
