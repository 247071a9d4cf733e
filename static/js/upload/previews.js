/* Small pictures of the files themselves: one decode at a time, only for rows in sight. */

const WIDTH = 128;
const DECODED_BYTES = 60 * 1024 * 1024;

const files = new WeakMap();
let chain = Promise.resolve();

const sight = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      sight.unobserve(target);
      chain = chain.then(() => draw(target));
    }
  },
  { rootMargin: "200px" },
);

/** Puts a picture of `file` into `frame` once it is seen, if this browser can decode it. */
export function preview(frame, file) {
  if (file.size > DECODED_BYTES || !globalThis.createImageBitmap) return;
  files.set(frame, file);
  sight.observe(frame);
}

async function draw(frame) {
  // A canvas of the small size, not the file as an <img>: 300 decoded photos do not fit a phone.
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
    // HEIC in most browsers, or not a picture: the placeholder stays.
  }
}
