/* What the page says, in one place. Never more than is known. */

import { ARRIVED } from "./states.js";

const MIB = 1024 * 1024;
const number = (digits) => new Intl.NumberFormat(undefined, { maximumFractionDigits: digits });

export function sizeInWords(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  if (bytes < MIB) return `${number(0).format(Math.ceil(bytes / 1024))} KB`;
  return `${number(bytes < 100 * MIB ? 1 : 0).format(bytes / MIB)} MB`;
}

export function stateInWords({ state, detail, bytes, size }) {
  switch (state) {
    case "waiting":
      return "Waiting";
    case "sending":
      return bytes < size
        ? `Sending, ${Math.floor((100 * bytes) / size)} %`
        : "Sent, checking that it arrived";
    case "paused":
      return navigator.onLine === false
        ? "You are offline. It goes on by itself."
        : "The connection broke. Trying again.";
    case "stored":
      return "Arrived, being processed";
    case "ready":
      return "Arrived and ready";
    case "here":
      return "Already here";
    case "interrupted":
      return "Not finished. Choose it again to send the rest.";
    default:
      return detail || "It was not sent.";
  }
}

/** `states` of all photos that can be sent: [the count, what it means for the person]. */
export function summaryInWords(states) {
  const count = (wanted) => states.filter((state) => wanted.has(state)).length;
  const [arrived, failed] = [count(ARRIVED), count(new Set(["failed"]))];
  const unfinished = count(new Set(["interrupted"]));
  const total = states.length;
  if (!total) return ["", ""];
  const others = [failed && `${failed} failed`, unfinished && `${unfinished} not finished`];
  const line = [`${arrived} of ${total} arrived`, ...others.filter(Boolean)].join(", ");
  if (arrived + failed + unfinished < total) return [line, "Please keep this page open."];
  if (arrived === total) return [line, "Thank you! You can close this page."];
  return [line, failed ? "Those that failed say why." : "Nothing is being sent now."];
}

export function refusalInWords(file, { accept, maxBytes }) {
  if (file.type && !accept.has(file.type.toLowerCase())) {
    return "This kind of file cannot be sent. JPEG, HEIC, PNG, WebP, AVIF, TIFF, GIF and BMP can.";
  }
  if (file.size > maxBytes) {
    return `Too big: a photo may have up to ${sizeInWords(maxBytes)}.`;
  }
  return file.size ? "" : "This file is empty, or a folder.";
}
