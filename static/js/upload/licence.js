/* The box beside the sentence of licence: this browser remembers that it was ticked, and a sentence
   that the host has changed meanwhile is shown anew, with an empty box. */

import { getItem, setItem } from "./local_storage.js";

const byId = (id) => document.getElementById(id);
const box = byId("licence");
const { invitation } = byId("upload").dataset;
const remembered = `licence:${invitation}`;

const remember = () => setItem(remembered, box.checked ? box.value : "");

box.checked ||= getItem(remembered) === box.value;
box.addEventListener("change", remember);

// The server took no photo: perhaps because the number was that of another sentence.
addEventListener("licence", ({ detail: licence }) => {
  if (licence === undefined) return;
  box.checked = false;
  remember();
  byId("licence-field").hidden = !licence;
  if (!licence) return;
  box.value = licence.number;
  byId("licence-text").textContent = licence.text;
  box.focus();
});
