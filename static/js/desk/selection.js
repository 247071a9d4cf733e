/* Ticking many photos of a grid: one, a range with Shift, all of them. */

/** `form` holds checkboxes named `ids`. `onChange(count)` is called after each change. */
export function makeSelection(form, onChange) {
  let last = null;
  const boxes = () => [...form.querySelectorAll("input[name=ids]")];
  const ticked = () => boxes().filter((box) => box.checked);

  form.addEventListener("click", (event) => {
    const box = event.target;
    if (box.name !== "ids") return;
    const all = boxes();
    if (event.shiftKey && last?.isConnected) {
      const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
      for (const each of all.slice(from, to + 1)) each.checked = box.checked;
    }
    last = box;
    changed();
  });

  function changed() {
    onChange(ticked().length);
  }

  return {
    items: () => ticked().map((box) => box.closest("li")),
    toggleAll() {
      const all = boxes();
      const isFull = all.every((box) => box.checked);
      for (const box of all) box.checked = !isFull;
      changed();
    },
    clear() {
      for (const box of ticked()) box.checked = false;
      changed();
    },
    changed,
  };
}
