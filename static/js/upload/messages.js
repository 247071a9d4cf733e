/* The messages of the page, in its language. */

const MIB = 1024 * 1024;
const root = globalThis.document;
export const language = root?.documentElement.lang || "en";
const messages = JSON.parse(root?.getElementById("messages")?.textContent ?? "{}");
const plurals = new Intl.PluralRules(language);
const formats = {};

/** The message of that name from images/views/messages.py, with its `{placeholders}` filled. */
export function t(name, values = {}) {
  let message = messages[name] ?? name;
  message = message[plurals.select(values.count ?? 0)] ?? message.other ?? message;
  return message.replace(/\{(\w+)\}/g, (_, placeholder) => {
    const value = values[placeholder];
    return typeof value === "number" ? formatNumber(value) : value;
  });
}

/** `options` are those of Intl.NumberFormat. */
export function formatNumber(value, options = {}) {
  const key = JSON.stringify(options);
  // Kept, because making one takes a phone a millisecond.
  formats[key] ??= new Intl.NumberFormat(language, { maximumFractionDigits: 0, ...options });
  return formats[key].format(value);
}

export function formatSize(bytes) {
  const unit = (name, value, more) => formatNumber(value, { style: "unit", unit: name, ...more });
  if (bytes < 1000) return unit("byte", bytes, { unitDisplay: "long" });
  if (bytes < MIB) return unit("kilobyte", Math.ceil(bytes / 1024));
  return unit("megabyte", bytes / MIB, { maximumFractionDigits: bytes < 100 * MIB ? 1 : 0 });
}

/** `state` as displayed() in states.js gives it. */
export function stateMessage({ state, detail, pauseReason, bytes, size }) {
  switch (state) {
    case "sending": {
      if (bytes >= size) return t("checking");
      const percent = formatNumber(Math.floor((100 * bytes) / size) / 100, { style: "percent" });
      return t(state, { percent });
    }
    case "paused":
      return t(navigator.onLine === false ? "offline" : pauseReason || "connectionBroke");
    case "rejected":
      return t(detail ? "rejectedBecause" : state, { reason: detail });
    case "stored":
      return detail || t(state);
    case "copy":
      return t(state, { name: detail });
    case "refused":
    case "failed":
      return detail || t("notSent");
    default:
      return t(state);
  }
}

/** What a link still takes. `files` and `bytes` are null where they are not limited. */
export function roomMessage({ files, bytes }) {
  if (files === 0 || bytes === 0) return t("noRoom");
  const parts = [
    files !== null && t("roomForFiles", { count: files }),
    bytes !== null && t("roomForBytes", { size: formatSize(bytes) }),
  ];
  return parts.filter(Boolean).join(" ");
}

/** Why a file cannot be sent, or "". */
export function refusalMessage(file, { accept, formats, maxBytes }) {
  if (file.type && !accept.has(file.type.toLowerCase())) return t("wrongKind", { formats });
  if (file.size > maxBytes) return t("tooBig", { size: formatSize(maxBytes) });
  return file.size ? "" : t("emptyOrFolder");
}
