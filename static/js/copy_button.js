/* Buttons with `data-copy` copy that text, and say `data-done` for a moment. */

const MOMENT_MS = 2500;

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without https there is no clipboard, but there is this.
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  const label = button.textContent;
  button.hidden = false;
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    await copy(button.dataset.copy);
    button.focus();
    button.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = label; }, MOMENT_MS);
  });
}
