import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { NoAnswer, Problem, connect } from "../../../static/js/upload/api.js";

const { fetch } = globalThis;
afterEach(() => (globalThis.fetch = fetch));

const json = (status, body, headers = {}) =>
  new Response(JSON.stringify(body), {
    status,
    headers: { "Content-Type": "application/json", ...headers },
  });

function answering(response) {
  const asked = [];
  globalThis.fetch = async (url, options) => {
    asked.push({ url, ...options });
    return typeof response === "function" ? response(options) : response;
  };
  const api = connect({ root: "/api/", token: "T", device: "D", timeoutMs: 20 });
  return { api, asked };
}

test("requests carry the link's token and the device, and no cookies", async () => {
  const { api, asked } = answering(json(200, { a: 1 }));
  assert.deepEqual(await api.post("x/", { b: 2 }), { a: 1 });
  const [{ url, method, headers, body, credentials }] = asked;
  assert.deepEqual([url, method, body, credentials], ["/api/x/", "POST", '{"b":2}', "omit"]);
  assert.equal(headers.Authorization, "Invitation T");
  assert.equal(headers["Bandpics-Device"], "D");
});

test("a problem has a slug, and is temporary by its status", async () => {
  const body = { type: "https://x/problems/too-many/", title: "Slow", detail: "Slow down." };
  const headers = { "Content-Type": "application/problem+json", "Retry-After": "9" };
  for (const [status, isTemporary] of [[409, false], [429, true], [408, true], [503, true]]) {
    const { api } = answering(json(status, body, headers));
    const error = await api.get("x/").catch((error) => error);
    assert.ok(error instanceof Problem);
    assert.deepEqual(
      [error.slug, error.message, error.isTemporary, error.retryAfter],
      ["too-many", "Slow down.", isTemporary, 9],
    );
  }
});

test("a page in place of an answer is not believed, whatever its status", async () => {
  for (const status of [200, 202, 502]) {
    const headers = { "Content-Type": "text/html", "Retry-After": "4" };
    const { api } = answering(new Response("<h1>Welcome</h1>", { status, headers }));
    const error = await api.post("x/").catch((error) => error);
    assert.ok(error instanceof NoAnswer && error.isTemporary);
    assert.deepEqual([error.tries, error.retryAfter], [undefined, 4]);
  }
});

test("it is told what keeps the photos", async () => {
  const kept = async (response) => {
    const { api } = answering(response);
    return (await api.get("x/").catch((error) => error)).pauseReason;
  };
  const page = (status) => new Response("<h1>Welcome</h1>", { status });
  assert.equal(await kept(page(200)), "portal");
  assert.equal(await kept(page(511)), "portal");
  const redirected = { type: "opaqueredirect", status: 0, headers: new Headers() };
  assert.equal(await kept(redirected), "portal");
  for (const status of [500, 502, 503]) assert.equal(await kept(page(status)), "serverAway");
  assert.equal(await kept(json(503, {})), "serverAway");
  assert.equal(await kept(() => Promise.reject(new TypeError("Failed to fetch"))), "connectionBroke");
});

test("JSON that breaks off is no answer", async () => {
  const headers = { "Content-Type": "application/json" };
  const { api } = answering(new Response('{"uploads": [', { status: 200, headers }));
  await assert.rejects(api.get("x/"), NoAnswer);
});

test("a crash of ours is asked again, but not for ever, whatever it is told in", async () => {
  const headers = { "Content-Type": "application/problem+json" };
  const inJson = json(500, { type: "/problems/internal-error/", title: "Broken" }, headers);
  for (const response of [new Response("oops", { status: 500 }), inJson]) {
    const { api } = answering(response);
    const error = await api.get("x/").catch((error) => error);
    assert.deepEqual([error.isTemporary, error.tries], [true, 3]);
  }
  const { api } = answering(json(503, {}, headers));
  assert.equal((await api.get("x/").catch((error) => error)).tries, undefined);
});

test("silence ends", async () => {
  const { api } = answering(
    ({ signal }) =>
      new Promise((resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  );
  await assert.rejects(api.get("x/"), NoAnswer);
});

test("a date in Retry-After is left to our own waits", async () => {
  const { api } = answering(json(503, {}, { "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT" }));
  assert.equal((await api.get("x/").catch((error) => error)).retryAfter, 0);
});
