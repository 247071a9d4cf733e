/* The pictures that a wall has fetched: a few, so that it goes on without a network. What it drops is
   released at once. */

import { keyOf } from "./order.js";

const MAX_PICTURES = 12;
const TIMEOUT_MS = 30_000;

export class PictureStore {
  pictures = new Map(); // addresses of blobs, the latest use last
  loads = new Map();

  /** `onRefused()` is called when the bucket does not give a picture: its address may have expired. */
  constructor({ onRefused }) {
    this.onRefused = onRefused;
  }

  has(photo) {
    return this.pictures.has(keyOf(photo));
  }

  addressOf(photo) {
    const key = keyOf(photo);
    const address = this.pictures.get(key);
    this.pictures.delete(key);
    this.pictures.set(key, address);
    return address;
  }

  /** Resolves to whether the picture is there. */
  load(photo) {
    const key = keyOf(photo);
    if (this.pictures.has(key)) return Promise.resolve(true);
    if (!this.loads.has(key)) {
      const load = this.fetch(photo.url).then((blob) => {
        const isWanted = this.loads.get(key) === load;
        if (isWanted) this.loads.delete(key);
        if (isWanted && blob) this.keep(key, blob);
        return Boolean(isWanted && blob);
      });
      this.loads.set(key, load);
    }
    return this.loads.get(key);
  }

  async fetch(url) {
    try {
      const answer = await fetch(url, {
        credentials: "omit",
        referrerPolicy: "no-referrer",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (answer.ok) return await answer.blob();
      this.onRefused();
    } catch {
      // No network: what is here goes round.
    }
    return null;
  }

  keep(key, blob) {
    this.pictures.set(key, URL.createObjectURL(blob));
    if (this.pictures.size > MAX_PICTURES) this.drop(this.pictures.keys().next().value);
  }

  drop(key) {
    URL.revokeObjectURL(this.pictures.get(key));
    this.pictures.delete(key);
  }

  /** Drops all other pictures, also those that are on their way. */
  keepOnly(photos) {
    const kept = new Set(photos.map(keyOf));
    for (const key of [...this.pictures.keys()]) if (!kept.has(key)) this.drop(key);
    for (const key of [...this.loads.keys()]) if (!kept.has(key)) this.loads.delete(key);
  }
}
