/* Requests to our JSON API, and their errors. */

import { t } from "./messages.js";

/** An error that the API answered, as of RFC 9457. */
export class Problem extends Error {
  pauseReason = "serverAway";

  constructor(response, body) {
    super(body.detail || body.title || t("somethingWrong"));
    this.status = response.status;
    this.tries = triesAfter(response);
    this.slug = /\/problems\/([\w-]+)\//.exec(body.type)?.[1] ?? "";
    this.title = body.title ?? "";
    this.body = body;
    this.retryAfter = secondsToWait(response);
  }

  get isTemporary() {
    return this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** No answer of our API: the network failed, or a captive portal or proxy answered. */
export class NoAnswer extends Error {
  isTemporary = true;
  pauseReason = "connectionBroke";

  constructor(response) {
    super(t("noAnswer"));
    // A page or a redirect comes from a portal, an error without JSON from a proxy.
    if (response) this.pauseReason = response.status < 400 || response.status === 511 ? "portal" : "serverAway";
    this.tries = triesAfter(response);
    this.retryAfter = response ? secondsToWait(response) : 0;
  }
}

/** With a `token` as a guest; without one as the member who is signed in, who adds to `group`. */
export function connect({ root, token, device, group, timeoutMs = 30_000 }) {
  async function call(method, path, body, etag) {
    const headers = { Accept: "application/json" };
    if (token) Object.assign(headers, { Authorization: `Invitation ${token}`, "Bandpics-Device": device });
    // Read each time: another tab may have signed in anew.
    else headers["X-CSRFToken"] = /csrftoken=(\w+)/.exec(document.cookie)?.[1];
    if (body) headers["Content-Type"] = "application/json";
    if (etag) headers["If-Match"] = etag;
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), timeoutMs);
    try {
      return await answer(
        await fetch(root + path, {
          method,
          headers,
          body: body && JSON.stringify(body),
          signal: timeout.signal,
          credentials: token ? "omit" : "same-origin",
          cache: "no-store",
          redirect: "manual", // only portals redirect
        }),
      );
    } catch (error) {
      throw error instanceof Problem || error instanceof NoAnswer ? error : new NoAnswer();
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    group,
    get: (path) => call("GET", path),
    post: (path, body = {}) => call("POST", path, body),
    patch: (path, body, etag) => call("PATCH", path, body, etag),
    delete: (path) => call("DELETE", path),
  };
}

/** A 500 may be about this very request, and is retried three times; a gateway's errors are not. */
function triesAfter(response) {
  return response?.status === 500 ? 3 : undefined;
}

/** 0 for the header's other form, a date: phones' clocks are often wrong. */
function secondsToWait(response) {
  return Number(response.headers.get("Retry-After")) || 0;
}

async function answer(response) {
  if (response.status === 204) return null;
  const type = response.headers.get("Content-Type") ?? "";
  if (!/^application\/(problem\+)?json\b/.test(type)) throw new NoAnswer(response);
  const body = await response.json();
  if (!response.ok) throw new Problem(response, body);
  return body;
}
