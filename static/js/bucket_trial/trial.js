/* One trial of the bucket: what is tried, in which order, and what the server is told of a failure. */

import { PutFailed, put } from "../upload/transfer.js";

const ANSWER_LETTERS = 2000;

/**
 * Tries all steps and returns whether all work. `ask(name, values)` posts to our server and returns its
 * JSON, `picture` is a small JPEG, `show(url)` rejects if the browser does not show it, and
 * `onStep(name, state, text)` hears of each step: "working", "good", "bad" or "skipped".
 */
export async function tryBucket({ ask, picture, show, stallMs, onStep, isBlocked = () => false }) {
  let isGood = true;
  const say = (step, problem) => {
    onStep(step, problem ? "bad" : "good", problem);
    if (problem) isGood = false;
  };
  const skip = (...steps) => steps.forEach((step) => onStep(step, "skipped"));

  onStep("server", "working");
  const found = await ask("start", { picture_bytes: picture.size, browser_time_ms: Date.now() });
  say("server", found.problem);
  if (found.problem) {
    skip("clock", "picture", "shown", "large", "end");
    return false;
  }
  say("clock", found.clock_problem);

  /** Sends a file; returns why it did not arrive, or "". */
  const send = async (step, request, file, facts = {}) => {
    onStep(step, "working");
    try {
      const onProgress = (bytes) => onStep(step, "working", undefined, bytes / file.size);
      await put(request, file, { stallMs, onProgress });
      return "";
    } catch (error) {
      if (!(error instanceof PutFailed)) throw error;
      return explain(request.url, {
        ...facts,
        status: error.status,
        answer: (error.request?.responseText ?? "").slice(0, ANSWER_LETTERS),
        is_silent: error.isSilent,
      });
    }
  };
  const explain = async (url, facts) => {
    const is_reachable = !facts.status && (await isReachable(url));
    const values = { ...facts, trial: found.trial, is_reachable, is_blocked: isBlocked() };
    return (await ask("explain", values)).problem;
  };

  let sent = 0;
  const problem = await send("picture", found.picture, picture);
  say("picture", problem);
  if (problem) skip("shown", "large");
  else {
    sent = 1;
    onStep("shown", "working");
    const isShown = await show(found.shown).then(() => true, () => false);
    say("shown", isShown ? "" : await explain(found.shown, { is_shown: true, status: 0 }));
    const large = new Blob([new Uint8Array(found.large_bytes)]);
    const tooLarge = await send("large", found.large, large, { is_large: true });
    say("large", tooLarge);
    if (!tooLarge) sent = 2;
  }
  onStep("end", "working");
  say("end", (await ask("end", { trial: found.trial, sent })).problem);
  return isGood;
}

/** Whether the browser gets any answer from there; without CORS it may not read it. */
async function isReachable(url) {
  try {
    const timeout = AbortSignal.timeout(15_000);
    await fetch(url, { mode: "no-cors", cache: "no-store", credentials: "omit", signal: timeout });
    return true;
  } catch {
    return false;
  }
}
