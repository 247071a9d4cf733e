/* Inside another app's browser: takes the link along to a real one. */

import { t } from "./messages.js";

const link = document.getElementById("link");
const button = document.getElementById("copy-link");

button.hidden = false;
button.addEventListener("click", async () => {
  link.select();
  try {
    await navigator.clipboard.writeText(link.value);
  } catch {
    document.execCommand("copy"); // where the clipboard is forbidden, as in many of these browsers
  }
  document.getElementById("copied").textContent = t("linkCopied");
});
