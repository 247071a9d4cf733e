/* What the page says, in its own language. Never more than is known. */

const MIB = 1024 * 1024;
const here = globalThis.document;
export const language = here?.documentElement.lang || "en";
const messages = JSON.parse(here?.getElementById("messages")?.textContent ?? "{}");
const plurals = new Intl.PluralRules(language);
const formats = {};

/** The sentence of that name (images/views/messages.py has them), with its `{places}` filled. */
export function t(name, values = {}) {
  let sentence = messages[name] ?? name;
  sentence = sentence[plurals.select(values.count ?? 0)] ?? sentence.other ?? sentence;
  return sentence.replace(/\{(\w+)\}/g, (_, place) => {
    const value = values[place];
    return typeof value === "number" ? formatNumber(value) : value;
  });
}

/** A number as the language writes it; `options` are those of Intl.NumberFormat. */
export function formatNumber(value, options = {}) {
  const key = JSON.stringify(options);
  // To make one takes a phone a millisecond, and every row says numbers all the time.
  formats[key] ??= new Intl.NumberFormat(language, { maximumFractionDigits: 0, ...options });
  return formats[key].format(value);
}

export function formatSize(bytes) {
  const unit = (name, value, more) => formatNumber(value, { style: "unit", unit: name, ...more });
  if (bytes < 1000) return unit("byte", bytes, { unitDisplay: "long" });
  if (bytes < MIB) return unit("kilobyte", Math.ceil(bytes / 1024));
  return unit("megabyte", bytes / MIB, { maximumFractionDigits: bytes < 100 * MIB ? 1 : 0 });
}

export function stateMessage({ state, detail, pauseReason, bytes, size }) {
  switch (state) {
    case "sending":
      if (bytes >= size) return t("checking");
      return t(state, { percent: formatNumber(Math.floor((100 * bytes) / size) / 100, { style: "percent" }) });
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

/** "3 MB of 12 MB, about 2 minutes left"; without the rest while nobody knows. */
export function progressMessage({ sent, total }, minutes) {
  const some = t("amount", { sent: formatSize(sent), total: formatSize(total) });
  if (minutes === null) return some;
  const hours = Math.round(minutes / 60);
  const left =
    minutes < 90 ? t(minutes ? "minutesLeft" : "momentLeft", { count: minutes }) : t("hoursLeft", { count: hours });
  return `${some} · ${left}`;
}

/** What a link still takes: files, bytes, or both are limited. */
export function roomMessage({ files, bytes }) {
  if (files === 0 || bytes === 0) return t("noRoom");
  const parts = [
    files !== null && t("roomForFiles", { count: files }),
    bytes !== null && t("roomForBytes", { size: formatSize(bytes) }),
  ];
  return parts.filter(Boolean).join(" ");
}

export function refusalMessage(file, { accept, formats, maxBytes }) {
  if (file.type && !accept.has(file.type.toLowerCase())) return t("wrongKind", { formats });
  if (file.size > maxBytes) return t("tooBig", { size: formatSize(maxBytes) });
  return file.size ? "" : t("emptyOrFolder");
}
