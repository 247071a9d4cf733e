/* The rows of what was sent on earlier visits, as the receipt has them. */

import { makeRow } from "./rows.js";
import { ARRIVED, keyOf, stateOf } from "./states.js";

/**
 * Leaves out what was cancelled, and tries that failed or broke off if the same file has been
 * tried again since.
 */
function withoutRepeats(uploads, items) {
  const mine = new Set(items.flatMap(({ id, clientId }) => [id, clientId]));
  const triedSince = new Set(items.map(({ key }) => key));
  return uploads.filter((line) => {
    if (line.status === "discarded" || mine.has(line.id) || mine.has(line.client_id)) return false;
    const key = keyOf(line.filename, line.size, line.last_modified);
    const isRepeated = triedSince.has(key);
    triedSince.add(key);
    return ARRIVED.has(stateOf(line)) || !isRepeated;
  });
}

/**
 * `list` is hidden with its `section` as long as it is empty. `acts`, as of rows.js, are given the
 * line as well.
 */
export function makePast({ section, list, acts = {} }) {
  const rows = new Map();
  let lines = [];

  /** Shows `uploads`, newest first, but not what the list of this visit, `items`, shows. */
  function show(uploads, items = []) {
    lines = withoutRepeats(uploads, items);
    const ids = new Set(lines.map(({ id }) => id));
    for (const [id, row] of rows) {
      if (ids.has(id)) continue;
      row.element.remove();
      rows.delete(id);
    }
    for (const line of lines) {
      let row = rows.get(line.id);
      if (!row) {
        row = makeRow({ name: line.filename, size: line.size, acts: actsOf(line.id) });
        rows.set(line.id, row);
        list.append(row.element);
      }
      const { failure_detail: detail, thumb } = line;
      // Its bytes are kept, unlike those of any other that failed.
      const canRetry = line.failure === "crashed";
      row.show({ state: stateOf(line), detail, thumb, canRetry }, line);
    }
    section.hidden = !lines.length;
  }

  function actsOf(id) {
    const lineNow = () => lines.find((line) => line.id === id);
    const bound = Object.entries(acts).map(([name, act]) => [name, (row) => act(row, lineNow())]);
    return Object.fromEntries(bound);
  }

  return { show, lines: () => lines, states: () => lines.map(stateOf) };
}
