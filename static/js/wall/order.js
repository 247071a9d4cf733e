/* Which photo a wall shows next. It knows the photos of the latest answer alone, so that it neither
   grows nor shows what has left the group. */

const ARRIVALS_MAX = 500;
const RECENT_MAX = 64;

/** A version of a photo: another file of it is another picture. */
export const keyOf = ({ id, version }) => `${id}-${version}`;

export class Order {
  arrivals = [];
  round = []; // a window of it
  after = ""; // the place that the window follows
  next = null; // the place behind it; null: there are no other photos
  current = null; // what is on the screen
  arrived = new Set(); // arrivals that were shown here
  passed = new Set(); // photos of the window that were shown
  recent = new Set(); // what was shown last, the latest at the end

  /**
   * Takes an answer to the question `after` which place the window follows, and whether the photo
   * `shows` may stay on the screen. Returns whether what is there by now may.
   */
  update({ arrivals, round, next, stays }, { after = "", shows } = {}) {
    if (after !== this.after) this.passed.clear();
    Object.assign(this, { arrivals, round, next, after });
    const known = this.photos().some(({ id }) => id === this.current?.id);
    if (!known && !(stays && this.current?.id === shows)) this.current = null;
    return this.current !== null;
  }

  photos() {
    return [...this.arrivals, ...this.round];
  }

  /** The place to ask for: the next window once this one was shown. */
  wanted() {
    const isOver = this.round.every(({ id }) => this.passed.has(id));
    return isOver && this.next !== null ? this.next : this.after;
  }

  hasArrival() {
    return this.arrivals.some(({ id }) => !this.arrived.has(id));
  }

  /**
   * All that may follow, best first: arrivals, what the round has not shown yet, and then what was
   * shown longest ago. Never what is on the screen.
   */
  candidates() {
    const age = new Map([...this.recent].map((id, index) => [id, index + 1]));
    const oldestFirst = (one, other) => (age.get(one.id) ?? 0) - (age.get(other.id) ?? 0);
    const news = this.arrivals.filter(({ id }) => !this.arrived.has(id));
    const due = this.round.filter(({ id }) => !this.passed.has(id));
    const ordered = new Map();
    for (const photo of [...news, ...due.sort(oldestFirst), ...this.photos().sort(oldestFirst)]) {
      if (!ordered.has(photo.id)) ordered.set(photo.id, photo);
    }
    const now = this.current && keyOf(this.current);
    return [...ordered.values()].filter((photo) => keyOf(photo) !== now);
  }

  /** The photo is on the screen now. */
  show(photo) {
    this.current = photo;
    keep(this.recent, photo.id, RECENT_MAX);
    this.pass(photo);
  }

  /** The photo had its turn, even if it could not be shown. */
  pass({ id }) {
    if (this.arrivals.some((each) => each.id === id)) keep(this.arrived, id, ARRIVALS_MAX);
    this.passed.add(id);
    // Without another window, the same one begins again.
    if (this.next === null && this.round.every((each) => this.passed.has(each.id))) this.passed.clear();
  }
}

/** Adds to a set that forgets the oldest. */
function keep(set, value, count) {
  set.delete(value);
  set.add(value);
  if (set.size > count) set.delete(set.values().next().value);
}
