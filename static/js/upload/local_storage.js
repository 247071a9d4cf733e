/* What this browser stores between visits; in private mode, until the tab closes. */

const fallback = new Map();

export function getItem(name) {
  try {
    return localStorage.getItem(`bandpics.${name}`) ?? fallback.get(name) ?? null;
  } catch {
    return fallback.get(name) ?? null;
  }
}

export function setItem(name, value) {
  fallback.set(name, value);
  try {
    localStorage.setItem(`bandpics.${name}`, value);
  } catch {
    // Storage is full or forbidden.
  }
}

/**
 * The secret of 128 bits that identifies this device among the holders of a link. `fromForm` is the
 * one of the plain form, if it has sent from here before.
 */
export function deviceSecret(fromForm) {
  if (!/^[0-9a-f]{32}$/.test(getItem("device") ?? "")) setItem("device", fromForm || randomHex());
  return getItem("device");
}

/** crypto.randomUUID() does not exist on http://192.168.x.x. */
export function randomHex(byteCount = 16) {
  const bytes = crypto.getRandomValues(new Uint8Array(byteCount));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
