/* The page that closes a group: shows what the chosen time needs, and hides the rest. */

const { elements } = document.getElementById("close-group");
const date = document.getElementById("close-date");
const lastCall = document.getElementById("last-call");
const archive = document.getElementById("closing-archive");

function showWhatMatters() {
  const when = elements.when.value;
  date.hidden = when !== "date";
  if (archive) archive.hidden = when === "never";
  if (lastCall) lastCall.hidden = when === "now" || when === "never";
}

for (const choice of elements.when) choice.addEventListener("change", showWhatMatters);
showWhatMatters();
