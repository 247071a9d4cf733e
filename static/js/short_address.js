/* Says while a host types whether the word is free. The server decides again when it is saved. */

const WAIT_MS = 350;

const form = document.getElementById("short-address");
const field = form?.elements.word;
const answer = document.getElementById("word-answer");
const line = document.getElementById("word-proposals");
const list = document.getElementById("proposals");
let waiting = null;
let asked = 0;

async function check() {
  const number = ++asked;
  const query = `${form.dataset.check}&word=${encodeURIComponent(field.value)}`;
  let found;
  try {
    const response = await fetch(query, { headers: { Accept: "text/html, application/json" } });
    if (!response.ok) return;
    found = await response.json();
  } catch {
    return; // the answer to saving says it
  }
  if (number !== asked) return; // it is about what was typed before
  const text = document.createElement("p");
  text.textContent = found.says;
  text.className = found.is_free ? "is-free" : "errors";
  answer.replaceChildren(text);
  field.closest(".field").classList.toggle("has-errors", !found.is_free);
  field.setAttribute("aria-invalid", String(!found.is_free));
  list.replaceChildren(...found.proposals.flatMap((word) => [button(word), " "]));
  line.hidden = !found.proposals.length;
}

function button(word) {
  const className = "button is-quiet is-small";
  return Object.assign(document.createElement("button"), {
    type: "button",
    className,
    textContent: word,
    value: word,
  });
}

form?.addEventListener("click", (event) => {
  const proposal = event.target.closest("#proposals button");
  if (!proposal) return;
  event.preventDefault();
  field.value = proposal.value;
  field.focus();
  check();
});
field?.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(check, WAIT_MS);
});
