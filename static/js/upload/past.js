/* The rows of what was sent on earlier visits, as the receipt has them. */

import { makeRow } from "./rows.js";
import { stateOf } from "./states.js";

/** `list` is hidden with its `section` as long as it is empty. */
export function makePast({ section, list }) {
  const rows = new Map();
  let lines = [];

  /** Shows `uploads` but those that `isElsewhere` (in the list of this visit). */
  function show(uploads, isElsewhere = () => false) {
    lines = uploads.filter((line) => line.status !== "discarded" && !isElsewhere(line));
    const ids = new Set(lines.map(({ id }) => id));
    for (const [id, row] of rows) {
      if (ids.has(id)) continue;
      row.element.remove();
      rows.delete(id);
    }
    for (const line of lines) {
      let row = rows.get(line.id);
      if (!row) {
        row = makeRow({ name: line.filename, size: line.size });
        rows.set(line.id, row);
        list.append(row.element);
      }
      row.show({ state: stateOf(line), detail: line.failure_detail, thumb: line.thumb });
    }
    section.hidden = !lines.length;
  }

  return { show, states: () => lines.map(stateOf) };
}
