/* The pages of ZIPs: shows the field that the chosen photos need, and follows what is being made. */

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 15_000;

const form = document.getElementById("order");
const whose = document.getElementById("id_uploader")?.closest(".field");
const archives = document.getElementById("archives");

function showWhatMatters() {
  whose.hidden = form.elements.what.value !== "uploader";
}

if (whose) {
  for (const choice of form.elements.what) choice.addEventListener("change", showWhatMatters);
  showWhatMatters();
}

const isBuilding = () => archives.querySelector("[data-building]") !== null;

/** Replaces the list by what the server says now. Raises TypeError without a network. */
async function look() {
  const answer = await fetch(location.href, { signal: AbortSignal.timeout(LONGEST_PAUSE_MS) });
  if (!answer.ok) throw new TypeError(`${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const news = page.getElementById("archives");
  // What did not change stays, so that nobody loses the focus.
  if (news && news.innerHTML !== archives.innerHTML) archives.replaceChildren(...news.childNodes);
}

let pause = FIRST_PAUSE_MS;

async function follow() {
  if (document.visibilityState === "visible") {
    try {
      await look();
      pause = Math.min(pause * 1.2, LONGEST_PAUSE_MS);
    } catch {
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    }
  }
  if (isBuilding()) setTimeout(follow, pause);
}

if (archives && isBuilding()) setTimeout(follow, pause);
