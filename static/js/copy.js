/* Buttons that copy what a field holds: data-copies names the field, data-copied what to say then. */

for (const button of document.querySelectorAll("[data-copies]")) {
  const field = document.getElementById(button.dataset.copies);
  button.hidden = false;
  button.addEventListener("click", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      document.execCommand("copy"); // the clipboard is closed to pages without HTTPS
    }
    button.textContent = button.dataset.copied;
  });
}
