/* Inside another app's browser: copies the link, to be opened in a real one. */

import { t } from "./messages.js";

const link = document.getElementById("link");
const button = document.getElementById("copy-link");

button.hidden = false;
button.addEventListener("click", async () => {
  link.select();
  try {
    await navigator.clipboard.writeText(link.value);
  } catch {
    document.execCommand("copy"); // many of these browsers forbid the clipboard
  }
  document.getElementById("copied").textContent = t("linkCopied");
});
