/* The tiles of a grid: which there are, and which is beside which. */

/** The photos of the grid that are shown, in their order. */
export const tilesOf = (grid) => [...grid.querySelectorAll("li[data-id]")].filter((tile) => !tile.hidden);

export const linkOf = (tile) => tile.querySelector(":scope > a");

/** The photo's own picture, and not the placeholder below it. */
export const pictureOf = (tile) => tile.querySelector(":scope > a > img:not(.placeholder)");

export const tileAt = (target) => target?.closest?.("li[data-id]") ?? null;

/** The tile to which an arrow key leads from another one. */
export function neighbour(grid, tile, key) {
  const all = tilesOf(grid);
  const forward = grid.matches(":dir(rtl)") ? -1 : 1;
  const steps = { ArrowRight: forward, ArrowLeft: -forward };
  if (key in steps) return all[all.indexOf(tile) + steps[key]];
  return inNextRow(all, tile, key === "ArrowDown" ? 1 : -1);
}

/** Of the next row down (1) or up (-1), the one whose middle is nearest. */
function inNextRow(all, tile, direction) {
  const here = tile.getBoundingClientRect();
  const middle = ({ left, right }) => (left + right) / 2;
  const rows = all
    .map((each) => [each, each.getBoundingClientRect()])
    .filter(([, box]) => direction * (box.top - here.top) > here.height / 2)
    .map(([each, box]) => [each, Math.abs(box.top - here.top), Math.abs(middle(box) - middle(here))]);
  rows.sort((a, b) => a[1] - b[1] || a[2] - b[2]);
  return rows[0]?.[0];
}
