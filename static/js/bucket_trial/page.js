/* The page "Try the bucket from this browser" of the admin: its button, its rows, its requests. */

import { tryBucket } from "./trial.js";

const SERVER_PATIENCE_MS = 90_000; // it asks the store in turn
const PICTURE_PATIENCE_MS = 30_000;
const trial = document.getElementById("trial");
const texts = trial.dataset;
const button = document.getElementById("start");
const verdict = document.getElementById("verdict");
let isBlocked = false;

async function ask(name, values) {
  const body = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) if (value !== false) body.set(key, value);
  const token = trial.querySelector("[name=csrfmiddlewaretoken]").value;
  const response = await fetch(texts[name], {
    method: "POST",
    body,
    headers: { "X-CSRFToken": token },
    redirect: "error", // to the page for signing in
    signal: AbortSignal.timeout(SERVER_PATIENCE_MS),
  });
  return response.json();
}

function onStep(name, state, why = "", part = null) {
  const row = trial.querySelector(`[data-step="${name}"]`);
  row.dataset.state = state;
  const percent = part === null ? "" : ` ${Math.floor(part * 100)} %`;
  row.querySelector(".state").textContent = texts[state] + percent;
  const reason = row.querySelector(".why");
  reason.textContent = why;
  reason.hidden = !why;
}

/** A picture of its own, as a phone's camera makes it: a JPEG. */
function draw() {
  const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 48 });
  const context = canvas.getContext("2d");
  context.fillStyle = "#2f6b4f";
  context.fillRect(8, 8, 48, 32);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg"));
}

function show(url) {
  return new Promise((resolve, reject) => {
    const picture = new Image();
    const timer = setTimeout(reject, PICTURE_PATIENCE_MS);
    picture.onload = () => resolve(clearTimeout(timer));
    picture.onerror = () => reject(clearTimeout(timer));
    picture.src = url;
  });
}

document.addEventListener("securitypolicyviolation", () => (isBlocked = true));

button.addEventListener("click", async () => {
  button.disabled = true;
  verdict.textContent = texts.working;
  isBlocked = false;
  for (const row of trial.querySelectorAll("[data-step]")) onStep(row.dataset.step, "skipped");
  try {
    const isGood = await tryBucket({
      ask,
      picture: await draw(),
      show,
      stallMs: Number(texts.stallMs),
      onStep,
      isBlocked: () => isBlocked,
    });
    verdict.textContent = isGood ? texts.allGood : texts.someBad;
  } catch (error) {
    console.error(error);
    verdict.textContent = texts.serverAway;
  }
  button.disabled = false;
});
button.hidden = false;
