/* Has the picture made by the server, and waits for it: not for ever. */

import { t } from "../upload/messages.js";

const EVERY = 1500; // milliseconds
const TRIES = 80; // two minutes

/** Somebody has to be told, in the words of the message. */
export class NotDone extends Error {}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Asks until `isDone`. What is temporary, such as a broken connection, is asked again. */
async function ask(api, path, isDone) {
  for (let tries = 0; tries < TRIES; tries += 1) {
    await pause(EVERY);
    try {
      const answer = await api.get(path);
      if (isDone(answer)) return answer;
    } catch (problem) {
      if (!problem.isTemporary) throw problem;
    }
  }
  throw new NotDone(t("slow"));
}

const isMade = ({ status }) => status === "done" || status === "failed";

/** Returns the path of a transform that is done; `version` is that of the file which the person saw. */
export async function make(api, { image, version }, transformations) {
  const made = await api.post(`images/${image}/transforms/`, { transformations });
  if (made.version !== Number(version)) throw new NotDone(t("replaced"));
  const path = `images/${image}/transforms/${made.hash}/`;
  const { status, failure } = isMade(made) ? made : await ask(api, path, isMade);
  if (status === "failed") throw new NotDone(t("failed", { why: t(`failure-${failure}`) }));
  return path;
}

/** Returns the id of the photo that shows the picture, and whether it was there before. */
export async function saveAsPhoto(api, path) {
  const taken = await api.post(`${path}photo/`);
  const upload = await ask(api, `uploads/${taken.upload}/`, (answer) => answer.is_final);
  if (upload.status === "done") return { id: taken.id, wasKnown: false };
  if (upload.duplicate_of) return { id: upload.duplicate_of, wasKnown: true };
  throw new NotDone(t("notDone", { why: upload.failure_detail ?? t("somethingWrong") }));
}

/** What an API error says, the wrong step before the general words. */
export function whyOf(problem) {
  const wrong = problem.body?.errors?.[0]?.detail;
  return problem instanceof NotDone ? problem.message : t("notDone", { why: wrong ?? problem.message });
}
