/* The bar at the bottom of the gallery: what can be done with the selected photos, and what was. */

import { t } from "../upload/messages.js";

const byId = (id) => document.getElementById(id);

/** `actions` are functions by the names of the buttons, which are given the selected tiles. */
export function makeBar(actions) {
  const bar = byId("select-bar");
  const toast = byId("toast");
  let tiles = [];
  let timer = 0;

  /** Those of the tiles with which a button does something. */
  const allowed = (name) => tiles.filter((tile) => isAllowed(name, tile));

  for (const button of document.querySelectorAll("#dock [data-do]")) {
    button.addEventListener("click", () => actions[button.dataset.do](allowed(button.dataset.do)));
  }

  return {
    show(selected, isOn) {
      tiles = selected;
      bar.hidden = !isOn;
      if (isOn) bar.querySelector("[data-said]").textContent = t("selected", { count: tiles.length });
      for (const button of bar.querySelectorAll("[data-needs]")) button.disabled = !allowed(button.dataset.do).length;
    },
    /** `sentences` is a text, or a list of them, of which some are empty. */
    say(sentences, canUndo) {
      toast.querySelector("[data-said]").textContent = [sentences].flat().filter(Boolean).join(" ");
      toast.querySelector("[data-do=undo]").hidden = !canUndo;
      toast.hidden = false;
      clearTimeout(timer);
      // What can be undone stays until something else is done.
      if (!canUndo) timer = setTimeout(() => (toast.hidden = true), 8000);
    },
  };
}

function isAllowed(name, tile) {
  if (name === "approve") return "moderation" in tile.dataset;
  if (name === "reject") return tile.dataset.moderation !== "rejected";
  return name === "download" || "mayChange" in tile.dataset;
}

/** Asks to which of the member's groups. Returns {id, name}, or null. */
export async function askForGroup(api, current) {
  const dialog = byId("move");
  const list = dialog.querySelector("select");
  if (!list.options.length) {
    const { results } = await api.get("groups/?limit=200");
    const groups = results.filter(({ id, role }) => id !== current && role !== "viewer");
    list.append(...groups.map(({ id, name }) => new Option(name, id)));
    dialog.classList.toggle("has-none", !groups.length);
  }
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  const chosen = list.selectedOptions[0];
  return dialog.returnValue === "move" && chosen ? { id: chosen.value, name: chosen.text } : null;
}
