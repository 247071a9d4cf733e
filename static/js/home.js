/* The first page: while somebody types, only the groups that match are shown. The form finds the
   others, of further pages, on the server. */

const field = document.getElementById("find");
const list = document.getElementById("groups");
const none = document.getElementById("none-found");
const found = document.getElementById("found");

/** Without accents, so that `geburtstag bei zoe` finds Zoë. */
function plain(text) {
  return text.normalize("NFD").replace(/\p{Diacritic}/gu, "").toLocaleLowerCase();
}

function show() {
  const words = plain(field.value).split(/\s+/);
  const names = [];
  for (const card of list.children) {
    const text = plain(card.dataset.words);
    card.hidden = !words.every((word) => text.includes(word));
    if (!card.hidden) names.push(card.querySelector("h2").textContent.trim());
  }
  none.hidden = names.length > 0;
  const { none: noGroup, some } = found.dataset;
  found.textContent = names.length ? `${some} ${names.length}` : noGroup;
}

// What was sent to the server has narrowed the list already.
if (field && list) field.addEventListener("input", show);
