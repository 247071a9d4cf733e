/* What I may change of my own photos: the words below one, deleting it and taking that back. */

import { t } from "./messages.js";

/**
 * `refresh()` asks the server how things are and shows it; `tell(text)` says it to all.
 * Gives the acts of a row: edit(row, line), undo(row, line).
 */
export function makeMyPhotos({ api, token, refresh, tell }) {
  const template = document.getElementById("photo-edit").content.firstElementChild;

  function edit({ element, button }, line) {
    const open = element.querySelector(".photo-edit");
    if (open) return close(open);
    const panel = template.cloneNode(true);
    const part = (selector) => panel.querySelector(selector);
    const caption = part("textarea");
    caption.value = line.photo.caption;
    caption.id = `caption-${line.id}`;
    part("label").htmlFor = caption.id;
    part("a").href = `/i/${token}/photos/${line.image}/place/`;
    const address = `images/${line.image}/`;

    part("form").addEventListener("submit", (event) => {
      event.preventDefault();
      const words = { caption: caption.value.trim() };
      work(async () => {
        await api.patch(address, words, line.photo.etag);
        await refresh();
        tell(t("captionSaved"));
        close(panel);
      });
    });
    part(".photo-close").addEventListener("click", () => close(panel));
    part(".photo-delete").addEventListener("click", () =>
      work(async () => {
        await api.delete(address);
        await refresh();
        tell(t("deleted"));
        close(panel); // and the button says "Undo" by now
      }),
    );
    panel.addEventListener("keydown", ({ key }) => key === "Escape" && close(panel));

    async function work(change) {
      for (const each of panel.querySelectorAll("button")) each.disabled = true;
      try {
        await change();
      } catch (problem) {
        // Your words stay where they are; what is new comes with the receipt.
        if (problem.status === 412) await refresh().then((lines) => renew(lines));
        const why = problem.status === 412 ? t("changedElsewhere") : problem.message;
        part("[role=alert]").textContent = why;
      }
      for (const each of panel.querySelectorAll("button")) each.disabled = false;
    }

    function renew(lines) {
      line = lines.find(({ id }) => id === line.id) ?? line;
    }

    function close(panel) {
      panel.remove();
      button.removeAttribute("aria-expanded");
      button.focus();
    }

    element.append(panel);
    button.setAttribute("aria-expanded", "true");
    caption.focus();
  }

  async function undo({ button }, line) {
    try {
      await api.post(`images/${line.image}/restore/`);
      await refresh();
      tell(t("restored"));
    } catch (problem) {
      tell(problem.message, problem);
    }
    button.focus();
  }

  return { edit, undo };
}
