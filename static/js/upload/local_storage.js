/* What this browser remembers between visits; in private mode, until the tab closes. */

const kept = new Map();

export function getItem(name) {
  try {
    return localStorage.getItem(`bandpics.${name}`) ?? kept.get(name) ?? null;
  } catch {
    return kept.get(name) ?? null;
  }
}

export function setItem(name, value) {
  kept.set(name, value);
  try {
    localStorage.setItem(`bandpics.${name}`, value);
  } catch {
    // Storage is full or forbidden.
  }
}

/**
 * The 128-bit secret that tells this device from others holding the same link: `known` where the
 * plain form has sent from here before.
 */
export function deviceSecret(known) {
  if (!/^[0-9a-f]{32}$/.test(getItem("device") ?? "")) setItem("device", known || randomHex());
  return getItem("device");
}

/** Not crypto.randomUUID(), which does not exist on http://192.168.x.x. */
export function randomHex(byteCount = 16) {
  const bytes = crypto.getRandomValues(new Uint8Array(byteCount));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
