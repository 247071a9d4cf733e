/* Decisions about photos, sent one after the other, and taken back in the opposite order. */

import { changeMany } from "./bulk.js";

const OF = { approve: "approved", reject: "rejected", wait: "pending" };
const BACK = { approved: "approve", rejected: "reject", pending: "wait" };

export class Decisions {
  done = [];
  queue = Promise.resolve();

  /** `state` is the moderation of all photos of the page; `reasonOf(id)` that of a rejection. */
  constructor(api, { state, reasonOf }) {
    Object.assign(this, { api, state, reasonOf });
  }

  /** Decides. Returns the ids about which somebody else has; those stay as they are. */
  decide(ids, action, reason = "") {
    return this.next(async () => {
      const others = await changeMany(this.api, { ids, action, reason, expected: this.state });
      const mine = ids.filter((id) => !others.includes(id));
      if (mine.length) this.done.push({ ids: mine, action });
      return others;
    });
  }

  /** Takes the last decision back. Returns {ids, others}, or null without one. */
  undo() {
    return this.next(async () => {
      const last = this.done.at(-1);
      if (!last) return null;
      const others = [];
      const action = BACK[this.state];
      for (const [reason, ids] of byReason(last.ids, action === "reject" ? this.reasonOf : () => "")) {
        others.push(...(await changeMany(this.api, { ids, action, reason, expected: OF[last.action] })));
      }
      this.done.pop();
      return { ids: last.ids.filter((id) => !others.includes(id)), others };
    });
  }

  next(work) {
    const result = this.queue.then(work);
    this.queue = result.catch(() => {});
    return result;
  }
}

function byReason(ids, reasonOf) {
  const groups = new Map();
  for (const id of ids) groups.set(reasonOf(id), [...(groups.get(reasonOf(id)) ?? []), id]);
  return groups;
}
