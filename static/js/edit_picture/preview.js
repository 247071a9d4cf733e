/* Draws what steps make of a picture, on two canvases: filters are for the lower one alone. */

import { planOf } from "./geometry.js";

const MAX_EDGE = 1200; // pixels of a canvas
const MARGIN = 0.02; // as images/photofile/transforms/watermark.py

/** Returns the size that the result will have. */
export function draw({ picture, photo, steps, drawn, marked }) {
  const plan = planOf(steps, photo);
  const scale = Math.min(1, MAX_EDGE / Math.max(plan.size.width, plan.size.height));
  for (const canvas of [drawn, marked]) {
    canvas.width = Math.max(1, Math.round(plan.size.width * scale));
    canvas.height = Math.max(1, Math.round(plan.size.height * scale));
  }
  drawPicture(drawn, { picture, photo, steps, plan, scale });
  if (steps.watermark?.text) drawText(marked, steps.watermark);
  return plan.size;
}

function drawPicture(canvas, { picture, photo, steps, plan, scale }) {
  const [across, down] = [picture.naturalWidth / photo.width, picture.naturalHeight / photo.height];
  const { x, y, width, height } = plan.source;
  const [wide, high] = [plan.drawn.width * scale, plan.drawn.height * scale];
  const context = canvas.getContext("2d");
  context.fillStyle = steps.rotate?.background ?? "#ffffff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.translate(canvas.width / 2, canvas.height / 2);
  context.scale(steps.mirror ? -1 : 1, steps.flip ? -1 : 1);
  context.rotate(plan.radians);
  const from = [x * across, y * down, width * across, height * down];
  context.drawImage(picture, ...from, -wide / 2, -high / 2, wide, high);
  const filters = ["grayscale", "sepia"].filter((name) => steps.filters?.[name]);
  canvas.style.filter = filters.map((name) => `${name}(1)`).join(" ");
}

function drawText(canvas, { text, position = "bottom-right", size = 0.25, opacity = 0.6 }) {
  const context = canvas.getContext("2d");
  const line = text.trim().replace(/\s+/g, " ");
  const margin = MARGIN * Math.min(canvas.width, canvas.height);
  const room = { width: canvas.width - 2 * margin, height: canvas.height - 2 * margin };
  const atHundred = measured(context, line, 100);
  const scale = Math.min(Math.min(size * canvas.width, room.width) / atHundred.width, room.height / atHundred.height);
  const pixels = 100 * scale;
  const box = measured(context, line, pixels);
  const sides = position.split("-");
  const across = sides.includes("left") ? 0 : sides.includes("right") ? 1 : 0.5;
  const down = sides.includes("top") ? 0 : sides.includes("bottom") ? 1 : 0.5;
  const left = margin + across * (room.width - box.width) + box.left;
  const base = margin + down * (room.height - box.height) + box.ascent;
  Object.assign(context, { globalAlpha: opacity, lineJoin: "round", lineWidth: pixels / 12 });
  Object.assign(context, { strokeStyle: "#202020", fillStyle: "#ffffff" });
  context.strokeText(line, left, base);
  context.fillText(line, left, base);
}

function measured(context, line, pixels) {
  context.font = `${pixels}px "DejaVu Sans", Verdana, sans-serif`;
  const found = context.measureText(line);
  const [left, right] = [found.actualBoundingBoxLeft, found.actualBoundingBoxRight];
  const [ascent, descent] = [found.actualBoundingBoxAscent, found.actualBoundingBoxDescent];
  return { left, ascent, width: Math.max(1, left + right), height: Math.max(1, ascent + descent) };
}
