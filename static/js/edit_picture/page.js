/* The page that crops and edits: its fields, the preview, and the two buttons at the end. */

import { connect } from "../upload/api.js";
import { formatNumber, t } from "../upload/messages.js";
import { makeCrop } from "./crop.js";
import { inRatio, ratioOf, stepsOf, within } from "./geometry.js";
import { draw } from "./preview.js";
import { make, saveAsPhoto, whyOf } from "./result.js";

const byId = (id) => document.getElementById(id);
const form = byId("editor");
const fields = form.elements;
const picture = byId("picture");
const photo = { width: Number(form.dataset.width), height: Number(form.dataset.height) };
const presets = JSON.parse(byId("presets").textContent);
const api = connect({ root: "/api/v1/" });
const SIDES = ["x", "y", "width", "height"];
let quarters = 0;
let preset = null;

// --- What is chosen -------------------------------------------------------------------------

const ratio = () => ratioOf(fields.ratio.value);
const toggles = [...form.querySelectorAll("[data-toggle]")];
const isOn = (name) => toggles.find(({ dataset }) => dataset.toggle === name).ariaPressed === "true";

function readCrop() {
  const crop = Object.fromEntries(SIDES.map((name) => [name, fields[name].valueAsNumber || 0]));
  return within(crop, photo);
}

function writeCrop(crop) {
  for (const name of SIDES) fields[name].value = crop[name];
  renew();
}

function chosenSteps() {
  if (preset) return preset.steps;
  return stepsOf(
    {
      crop: readCrop(),
      edge: fields.edge.valueAsNumber || 0,
      format: fields.format.value,
      quality: fields.quality.valueAsNumber,
      degrees: quarters + fields.tilt.valueAsNumber,
      background: fields.background.value,
      flip: isOn("flip"),
      mirror: isOn("mirror"),
      filters: ["grayscale", "sepia"].filter(isOn),
      mark: {
        text: fields.text.value,
        position: fields.position.value,
        size: fields.mark_size.valueAsNumber / 100,
        opacity: fields.mark_opacity.valueAsNumber / 100,
      },
    },
    photo,
  );
}

// --- What is shown --------------------------------------------------------------------------

let isDue = false;

/** Draws the preview before the next frame, once, however often it is asked. */
function renew() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    const steps = chosenSteps();
    byId("quality-field").hidden = fields.format.value === "png";
    const [drawn, marked] = [byId("drawn"), byId("marked")];
    const size = draw({ picture, photo, steps, drawn, marked });
    byId("result-size").textContent = t("size", size) + (steps.watermark?.image ? ` ${t("mark")}` : "");
  });
  const percent = (field) => formatNumber(field.valueAsNumber / 100, { style: "percent" });
  byId("tilt-said").textContent = `${formatNumber(fields.tilt.valueAsNumber, { maximumFractionDigits: 1 })}°`;
  byId("mark-size-said").textContent = percent(fields.mark_size);
  byId("mark-opacity-said").textContent = percent(fields.mark_opacity);
  byId("quality-said").textContent = fields.quality.value;
}

function say(text, link) {
  byId("said").hidden = !text;
  byId("said").replaceChildren(text, ...(link ? [" ", link] : []));
  byId("complaint").hidden = true;
}

function complain(text) {
  say("");
  byId("complaint").hidden = false;
  byId("complaint").textContent = text;
}

// --- Fields and buttons ---------------------------------------------------------------------

function start() {
  const [keys, selection] = [byId("crop-keys"), byId("selection")];
  const crop = makeCrop({
    ...{ canvas: byId("crop-canvas"), selection, keys, picture, photo },
    ...{ read: readCrop, ratio, write: writeCrop },
  });
  const place = (rectangle) => {
    writeCrop(rectangle);
    crop.show();
  };
  for (const [name, most] of [
    ["x", photo.width - 1],
    ["y", photo.height - 1],
    ["width", photo.width],
    ["height", photo.height],
  ]) {
    fields[name].max = most;
    fields[name].addEventListener("change", () => {
      const wanted = readCrop();
      if (name === "height" && ratio()) wanted.width = wanted.height * ratio();
      place(within(wanted, photo, ratio()));
    });
  }
  const whole = () => place(inRatio({ x: 0, y: 0, ...photo }, photo, ratio()));
  byId("ratio").addEventListener("change", () => place(inRatio(readCrop(), photo, ratio())));
  byId("whole").addEventListener("click", whole);
  for (const button of form.querySelectorAll("[data-turn]")) {
    button.addEventListener("click", () => {
      quarters = (quarters + Number(button.dataset.turn) + 360) % 360;
      renew();
    });
  }
  for (const button of toggles) {
    button.addEventListener("click", () => {
      button.ariaPressed = String(button.ariaPressed !== "true");
      renew();
    });
  }
  for (const button of form.querySelectorAll("[data-preset]")) {
    button.addEventListener("click", () => choosePreset(button));
  }
  form.addEventListener("input", renew);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(download);
  });
  byId("save")?.addEventListener("click", () => run(save));
  byId("own-steps").disabled = false;
  enable(true);
  whole();
  form.dataset.state = "ready";
}

function choosePreset(button) {
  const { preset: name } = button.dataset;
  preset = preset?.name === name ? null : presets.find((each) => each.name === name);
  for (const each of form.querySelectorAll("[data-preset]")) {
    each.ariaPressed = String(each.dataset.preset === preset?.name);
  }
  byId("own-steps").disabled = Boolean(preset);
  byId("preset-said").textContent = preset ? t("byPreset", { name }) : "";
  renew();
}

function enable(isEnabled) {
  for (const button of [byId("download"), byId("save")]) if (button) button.disabled = !isEnabled;
}

async function run(finish) {
  if (!form.reportValidity()) return;
  enable(false);
  say(t("making"));
  try {
    const steps = preset ? { preset: preset.name } : chosenSteps();
    await finish(await make(api, form.dataset, steps));
  } catch (problem) {
    complain(whyOf(problem));
  } finally {
    enable(true);
  }
}

async function download(path) {
  say(t("downloaded"));
  location.assign(`/api/v1/${path}file/?download=true`);
}

async function save(path) {
  say(t("saving"));
  const { id, wasKnown } = await saveAsPhoto(api, path);
  const link = Object.assign(document.createElement("a"), { href: `/images/${id}/`, textContent: t("show") });
  say(t(wasKnown ? "known" : "saved"), link);
}

await picture.decode().catch(() => {});
if (picture.naturalWidth) start();
else complain(t("noAnswer"));
