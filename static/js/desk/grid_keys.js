/* The arrow keys in a grid of links: one of them takes part in the order of Tab. */

/** Moves the focus between the links of `grid`, of one for each item. */
export function moveByArrows(grid, selector) {
  const links = () => [...grid.querySelectorAll(selector)];

  function enter(link) {
    for (const each of links()) each.tabIndex = each === link ? 0 : -1;
  }

  grid.addEventListener("focusin", ({ target }) => target.matches(selector) && enter(target));
  grid.addEventListener("keydown", (event) => {
    const all = links();
    const here = all.indexOf(document.activeElement);
    if (here < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    const forward = grid.matches(":dir(rtl)") ? -1 : 1;
    const steps = {
      ...{ ArrowRight: forward, ArrowLeft: -forward, ArrowDown: columns, ArrowUp: -columns },
      ...{ Home: -here, End: all.length - 1 - here },
    };
    const next = all[here + steps[event.key]];
    if (!(event.key in steps)) return;
    event.preventDefault();
    next?.focus();
  });

  if (links().length) enter(links()[0]);
}
