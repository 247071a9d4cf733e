/* The two slides of a wall, of which one is seen. They are used again and again. */

const FADE_MS = 1500;
const BLUR = "blur(2px) brightness(0.45)";

export class Stage {
  constructor(slides) {
    this.slides = slides;
    this.timer = null;
  }

  /** Makes the hidden slide ready. Rejects if the picture cannot be decoded. */
  async prepare(address, alt = "") {
    const [, back] = this.slides;
    clearTimeout(this.timer);
    const picture = back.querySelector("img");
    picture.src = address;
    picture.alt = alt;
    await picture.decode();
    paint(back.querySelector("canvas"), picture);
  }

  /** Fades to the slide that was prepared. */
  turn() {
    const [front, back] = this.slides;
    front.classList.remove("is-on");
    back.classList.add("is-on");
    front.setAttribute("aria-hidden", "true");
    back.removeAttribute("aria-hidden");
    this.slides = [back, front];
    this.timer = setTimeout(() => wipe(front), FADE_MS);
  }

  /** Shows nothing. What is being prepared stays hidden. */
  clear() {
    const [front] = this.slides;
    front.classList.remove("is-on");
    front.setAttribute("aria-hidden", "true");
    wipe(front);
  }
}

/** Fills the canvas with the picture, cropped to its shape, blurred and dark. */
function paint(canvas, picture) {
  const { width, height } = canvas;
  const scale = Math.max(width / picture.naturalWidth, height / picture.naturalHeight);
  const [w, h] = [picture.naturalWidth * scale, picture.naturalHeight * scale];
  const context = canvas.getContext("2d");
  context.filter = BLUR;
  context.drawImage(picture, (width - w) / 2, (height - h) / 2, w, h);
}

function wipe(slide) {
  slide.querySelector("img").removeAttribute("src");
  const canvas = slide.querySelector("canvas");
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
}
