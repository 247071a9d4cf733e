/* Thumbnails made from the files: one is decoded at a time, and only for visible rows. */

const WIDTH = 128;
const MAX_BYTES = 60 * 1024 * 1024;

const files = new WeakMap();
let chain = Promise.resolve();

const observer = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      observer.unobserve(target);
      chain = chain.then(() => draw(target));
    }
  },
  { rootMargin: "200px" },
);

/** Puts a thumbnail of `file` into `frame` once that is visible, if the browser can decode it. */
export function preview(frame, file) {
  if (file.size > MAX_BYTES || !globalThis.createImageBitmap) return;
  files.set(frame, file);
  observer.observe(frame);
}

async function draw(frame) {
  // A small canvas, not an <img> of the file: 300 decoded photos exceed a phone's memory.
  try {
    const bitmap = await createImageBitmap(files.get(frame), {
      resizeWidth: WIDTH,
      resizeQuality: "medium",
    });
    const canvas = document.createElement("canvas");
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
    frame.replaceChildren(canvas);
  } catch {
    // The placeholder stays: most browsers cannot decode HEIC.
  }
}
