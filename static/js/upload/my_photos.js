/* What guests can change of their own photos: the caption, deleting a photo and restoring it.
   With the first of them, the photos of the evening are worth a look, too. */

import { t } from "./messages.js";

/**
 * Makes the actions edit(row, upload) and undo(row, upload). `refresh()` shows the receipt anew and
 * returns its uploads; `notify(text, problem)` tells the guest.
 */
export function makeMyPhotos({ api, token, refresh, notify }) {
  const template = document.getElementById("photo-edit").content.firstElementChild;
  const evening = document.getElementById("evening"); // if the link shows the photos of all guests
  if (evening) {
    const meaning = document.getElementById("summary-meaning");
    import("./evening.js").then((module) => module.showAfterThanks(evening, meaning), () => {});
  }
  if (document.querySelector("#upload[data-wall]")) {
    import("./on_wall.js").then((module) => module.watchWall({ refresh, notify }), () => {});
  }

  function edit({ element, button }, upload) {
    const open = element.querySelector(".photo-edit");
    if (open) return close(open, button);
    const panel = template.cloneNode(true);
    const part = (selector) => panel.querySelector(selector);
    const caption = part("textarea");
    caption.value = upload.photo.caption;
    caption.id = `caption-${upload.id}`;
    part("label").htmlFor = caption.id;
    // Members have no page for the place.
    if (token) part("a").href = `photos/${upload.image}/place/`;
    else part("a").remove();
    const path = `images/${upload.image}/`;

    const change = (request, message) => {
      const work = async () => {
        await request();
        await refresh();
        notify(t(message));
        close(panel, button);
      };
      // The next attempt is against the photo as it is by then. What was typed stays.
      const renew = async () => {
        upload = (await refresh()).find(({ id }) => id === upload.id) ?? upload;
      };
      return attempt(panel, work, renew);
    };
    part("form").addEventListener("submit", (event) => {
      event.preventDefault();
      const body = { caption: caption.value.trim() };
      change(() => api.patch(path, body, upload.photo.etag), "captionSaved");
    });
    part(".photo-delete").addEventListener("click", () => change(() => api.delete(path), "deleted"));
    part(".photo-close").addEventListener("click", () => close(panel, button));
    panel.addEventListener("keydown", ({ key }) => key === "Escape" && close(panel, button));
    element.append(panel);
    button.setAttribute("aria-expanded", "true");
    caption.focus();
  }

  return { edit, undo: (row, upload) => undo(row, upload, { api, refresh, notify }) };
}

async function undo({ button }, upload, { api, refresh, notify }) {
  try {
    await api.post(`images/${upload.image}/restore/`);
    await refresh();
    notify(t("restored"));
  } catch (problem) {
    notify(problem.message, problem);
  }
  button.focus();
}

/** Runs `work` with the panel's buttons disabled, and shows its error; `renew` after a conflict. */
async function attempt(panel, work, renew) {
  const buttons = [...panel.querySelectorAll("button")];
  buttons.forEach((button) => (button.disabled = true));
  try {
    await work();
  } catch (problem) {
    const isConflict = problem.status === 412;
    if (isConflict) await renew();
    const message = isConflict ? t("changedElsewhere") : problem.message;
    panel.querySelector("[role=alert]").textContent = message;
  }
  buttons.forEach((button) => (button.disabled = false));
}

function close(panel, button) {
  panel.remove();
  button.removeAttribute("aria-expanded");
  button.focus();
}
