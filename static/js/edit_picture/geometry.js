/* Rectangles and sizes of a crop and of its result, in pixels of the photo: without a page, as
   images/photofile/transforms/spec.py has them. */

/** "4:3" as a number; 0 where every proportion will do. */
export function ratioOf(text) {
  const [width, height] = text.split(":").map(Number);
  return width && height ? width / height : 0;
}

const between = (least, value, most) => Math.min(Math.max(value, least), most);

/** The rectangle in whole pixels, within the photo; with a ratio it keeps it, as near as pixels can. */
export function within({ x, y, width, height }, photo, ratio = 0) {
  let [wide, high] = [Math.max(1, width), Math.max(1, height)];
  if (ratio) {
    high = wide / ratio;
    const scale = Math.min(1, photo.width / wide, photo.height / high);
    [wide, high] = [wide * scale, high * scale];
  }
  wide = between(1, Math.round(wide), photo.width);
  high = between(1, Math.round(high), photo.height);
  return {
    x: between(0, Math.round(x), photo.width - wide),
    y: between(0, Math.round(y), photo.height - high),
    width: wide,
    height: high,
  };
}

/** What of a rectangle lies within the photo, where a pointer dragged an edge of it outside. */
export function cut({ x, y, width, height }, photo) {
  const [left, top] = [between(0, x, photo.width - 1), between(0, y, photo.height - 1)];
  const right = between(left + 1, x + width, photo.width);
  const bottom = between(top + 1, y + height, photo.height);
  return within({ x: left, y: top, width: right - left, height: bottom - top }, photo);
}

/** The largest rectangle of this ratio in another one, around the same middle. */
export function inRatio({ x, y, width, height }, photo, ratio) {
  if (!ratio) return { x, y, width, height };
  const wide = Math.min(width, height * ratio);
  const high = wide / ratio;
  return within({ x: x + (width - wide) / 2, y: y + (height - high) / 2, width: wide, height: high }, photo, ratio);
}

/** The steps as the API takes them, without those that change nothing. */
export function stepsOf(chosen, photo) {
  const { crop, edge, format, quality, degrees, background, filters, mark } = chosen;
  const steps = { format };
  const isWhole = crop.width === photo.width && crop.height === photo.height;
  if (!isWhole) steps.crop = { ...crop };
  if (edge) steps.resize = { width: edge, height: edge, mode: "fit" };
  if (degrees % 360) steps.rotate = { degrees, background };
  for (const name of ["flip", "mirror"]) if (chosen[name]) steps[name] = true;
  if (filters.length) steps.filters = Object.fromEntries(filters.map((name) => [name, true]));
  if (mark.text.trim()) steps.watermark = mark;
  if (format !== "png") steps.quality = quality;
  return steps;
}

/** What of the photo is shown, how large it is drawn, and the size of the result. */
export function planOf(steps, photo) {
  const crop = steps.crop ?? { x: 0, y: 0, ...photo };
  const drawn = resized(steps.resize, crop);
  const { degrees = 0, expand = true } = steps.rotate ?? {};
  return {
    source: steps.resize?.mode === "fill" ? covered(crop, drawn) : crop,
    drawn,
    radians: (degrees * Math.PI) / 180,
    size: expand ? turned(degrees, drawn) : drawn,
  };
}

function resized({ width = 0, height = 0, mode = "fit" } = {}, from) {
  if (!width && !height) return { width: from.width, height: from.height };
  if (mode === "fit") {
    const scale = Math.min(1, (width || Infinity) / from.width, (height || Infinity) / from.height);
    return { width: least(from.width * scale), height: least(from.height * scale) };
  }
  return {
    width: width || least((from.width * height) / from.height),
    height: height || least((from.height * width) / from.width),
  };
}

const least = (length) => Math.max(1, Math.round(length));

function covered({ x, y, width, height }, { width: wide, height: high }) {
  const scale = Math.min(width / wide, height / high);
  return {
    x: x + (width - wide * scale) / 2,
    y: y + (height - high * scale) / 2,
    width: wide * scale,
    height: high * scale,
  };
}

function turned(degrees, { width, height }) {
  if (degrees % 90 === 0) return degrees % 180 ? { width: height, height: width } : { width, height };
  const angle = (degrees * Math.PI) / 180;
  const [cosine, sine] = [Math.abs(Math.cos(angle)), Math.abs(Math.sin(angle))];
  return {
    width: Math.ceil(width * cosine + height * sine - 0.001),
    height: Math.ceil(width * sine + height * cosine - 0.001),
  };
}
