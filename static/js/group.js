/* A group's page: hands out the upload link, and tells the server up to when its photos were seen. */

import "./local_time.js";

const byId = (id) => document.getElementById(id);

/** Writing with the session takes the CSRF token, which the cookie has. */
function recordVisit({ visited, lookedAt }) {
  const headers = { "X-CSRFToken": /csrftoken=(\w+)/.exec(document.cookie)?.[1] ?? "" };
  const body = new URLSearchParams({ seen_at: lookedAt });
  // It is not missed if it fails: the photos are just called new once more.
  fetch(visited, { method: "POST", headers, body, keepalive: true }).catch(() => {});
}

async function copy(field, button) {
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    document.execCommand("copy"); // without https there is no clipboard
  }
  byId("share-copied").textContent = button.dataset.done;
}

function offerCopying(field) {
  const button = byId("share-copy");
  button.hidden = false;
  button.addEventListener("click", () => copy(field, button));
}

/** The share sheet of the phone, where the browser has one. */
function offerSheet(url) {
  const button = byId("share-sheet");
  const { title, text } = button.dataset;
  if (!navigator.share || !(navigator.canShare?.({ url }) ?? true)) return;
  button.hidden = false;
  button.addEventListener("click", () => navigator.share({ title, text, url }).catch(() => {}));
}

/** The code fills the screen after a tap on it or on the button; a tap anywhere closes it. */
function offerLargeCode() {
  const dialog = byId("share-dialog");
  const open = () => dialog.showModal();
  byId("share-large").hidden = false;
  byId("share-large").addEventListener("click", open);
  byId("share-code").classList.add("is-button");
  byId("share-code").addEventListener("click", open);
  dialog.addEventListener("click", () => dialog.close());
}

const field = byId("share-link");
if (field) {
  offerCopying(field);
  offerSheet(field.value);
  offerLargeCode();
  field.addEventListener("focus", () => field.select());
}
// A page that is loaded in the background has not been looked at.
if (document.hidden) {
  document.addEventListener("visibilitychange", () => recordVisit(byId("group").dataset), { once: true });
} else recordVisit(byId("group").dataset);
