/* What the page says, in its own language. Never more than is known. */

const MIB = 1024 * 1024;
const here = globalThis.document;
export const language = here?.documentElement.lang || "en";
const words = JSON.parse(here?.getElementById("words")?.textContent ?? "{}");
const plurals = new Intl.PluralRules(language);
const formats = {};

/** The sentence of that name (images/words.py has them), with its `{places}` filled. */
export function say(name, values = {}) {
  let sentence = words[name] ?? name;
  sentence = sentence[plurals.select(values.count ?? 0)] ?? sentence.other ?? sentence;
  return sentence.replace(/\{(\w+)\}/g, (_, place) => {
    const value = values[place];
    return typeof value === "number" ? inNumbers(value) : value;
  });
}

/** A number as the language writes it; `options` are those of Intl.NumberFormat. */
export function inNumbers(value, options = {}) {
  const key = JSON.stringify(options);
  // To make one takes a phone a millisecond, and every row says numbers all the time.
  formats[key] ??= new Intl.NumberFormat(language, { maximumFractionDigits: 0, ...options });
  return formats[key].format(value);
}

export function sizeInWords(bytes) {
  const unit = (name, value, more) => inNumbers(value, { style: "unit", unit: name, ...more });
  if (bytes < 1000) return unit("byte", bytes, { unitDisplay: "long" });
  if (bytes < MIB) return unit("kilobyte", Math.ceil(bytes / 1024));
  return unit("megabyte", bytes / MIB, { maximumFractionDigits: bytes < 100 * MIB ? 1 : 0 });
}

export function stateInWords({ state, detail, trouble, bytes, size }) {
  switch (state) {
    case "sending":
      if (bytes >= size) return say("checking");
      return say(state, { percent: inNumbers(Math.floor((100 * bytes) / size) / 100, { style: "percent" }) });
    case "paused":
      return say(navigator.onLine === false ? "offline" : trouble || "connectionBroke");
    case "rejected":
      return say(detail ? "rejectedBecause" : state, { reason: detail });
    case "stored":
      return detail || say(state);
    case "copy":
      return say(state, { name: detail });
    case "refused":
    case "failed":
      return detail || say("notSent");
    default:
      return say(state);
  }
}

/** "3 MB of 12 MB, about 2 minutes left"; without the rest while nobody knows. */
export function paceInWords({ sent, total }, minutes) {
  const some = say("amount", { sent: sizeInWords(sent), total: sizeInWords(total) });
  if (minutes === null) return some;
  const hours = Math.round(minutes / 60);
  const left =
    minutes < 90 ? say(minutes ? "minutesLeft" : "momentLeft", { count: minutes }) : say("hoursLeft", { count: hours });
  return `${some} · ${left}`;
}

/** What a link still takes: files, bytes, or both are limited. */
export function roomInWords({ files, bytes }) {
  if (files === 0 || bytes === 0) return say("noRoom");
  const parts = [
    files !== null && say("roomForFiles", { count: files }),
    bytes !== null && say("roomForBytes", { size: sizeInWords(bytes) }),
  ];
  return parts.filter(Boolean).join(" ");
}

export function refusalInWords(file, { accept, formats, maxBytes }) {
  if (file.type && !accept.has(file.type.toLowerCase())) return say("wrongKind", { formats });
  if (file.size > maxBytes) return say("tooBig", { size: sizeInWords(maxBytes) });
  return file.size ? "" : say("emptyOrFolder");
}
