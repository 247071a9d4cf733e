import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Problem } from "../../../static/js/upload/api.js";
import { Unconfirmed, Unreadable, transfer } from "../../../static/js/upload/transfer.js";
import { FakeRequest, install, requests } from "./fake_xhr.mjs";

const timeouts = { stallMs: 15_000, signatureMs: 900_000 };
const signed = (url) => ({ method: "PUT", url, headers: {} });

function problem(status, slug, more = {}) {
  const body = { type: `https://x/problems/${slug}/`, title: slug, ...more };
  return new Problem({ status, headers: new Headers() }, body);
}

beforeEach(() => {
  install();
  // Waits end at once: the network "comes back" as soon as somebody listens.
  globalThis.window = {
    addEventListener: (name, end) => queueMicrotask(end),
    removeEventListener() {},
  };
});

/** Our API, as far as one upload needs it; `completes` are its answers in turn. */
function server({ completes = [], parts = [] } = {}) {
  const calls = [];
  return {
    calls,
    async get(path) {
      calls.push(`GET ${path}`);
      return { parts: parts.map((part) => ({ part })) };
    },
    async post(path, body) {
      calls.push(`POST ${path}${body?.part ? ` ${body.part}` : ""}`);
      if (path.endsWith("/sign/")) return signed(`fresh ${body?.part ?? "whole"}`);
      const answer = completes.shift();
      if (answer instanceof Error) throw answer;
      return answer ?? { status: "queued" };
    },
  };
}

function send(api, { file = new File(["0123456789"], "a"), ticket = {}, ...more } = {}) {
  const whole = { id: 1, status: "pending", upload: signed("first"), receivedAt: performance.now() };
  const progress = [];
  const result = transfer({
    api,
    file,
    timeouts,
    ticket: { ...whole, ...ticket },
    onProgress: (bytes) => progress.push(bytes),
    ...more,
  });
  return { result, progress };
}

const inParts = { upload: undefined, multipart: { part_size: 4, part_count: 3 } };
const urls = () => requests.map(({ url }) => url);

test("the signature that came with the ticket is used, once", async () => {
  const statuses = [503, 403, 200];
  FakeRequest.onsend = (request) => queueMicrotask(() => request.answer(statuses.shift()));
  const { result } = send(server());
  assert.equal((await result).status, "queued");
  assert.deepEqual(urls(), ["first", "fresh whole", "fresh whole"]);
});

test("a signature that has lived half its life is not used", async () => {
  FakeRequest.onsend = (request) => queueMicrotask(() => request.answer(200));
  const receivedAt = performance.now() - timeouts.signatureMs / 2 - 1;
  await send(server(), { ticket: { receivedAt } }).result;
  assert.deepEqual(urls(), ["fresh whole"]);
});

test("bytes whose answer was lost are not sent again; the server is asked", async () => {
  FakeRequest.onsend = (request) =>
    queueMicrotask(() => {
      request.progress(10);
      request.lose();
    });
  await send(server()).result;
  assert.equal(requests.length, 1);
});

test("if the server has not seen them, they are", async () => {
  const answers = ["lose", "answer"];
  FakeRequest.onsend = (request) =>
    queueMicrotask(() => {
      request.progress(10);
      request[answers.shift()](200);
    });
  await send(server({ completes: [problem(409, "upload-not-arrived")] })).result;
  assert.equal(requests.length, 2);
});

test("a store that says yes, and has nothing, is given up after five times", async () => {
  FakeRequest.onsend = (request) => queueMicrotask(() => request.answer(200));
  const completes = Array.from({ length: 9 }, () => problem(409, "upload-not-arrived"));
  const error = await send(server({ completes })).result.catch((error) => error);
  assert.ok(error instanceof Unconfirmed && error.isTemporary); // and is tried again later
  assert.equal(requests.length, 5);
});

test("a link that was withdrawn ends it", async () => {
  FakeRequest.onsend = (request) => queueMicrotask(() => request.answer(200));
  const api = server({ completes: [problem(403, "invitation-revoked")] });
  await assert.rejects(send(api).result, /invitation-revoked|went wrong/);
});

test("only missing parts are sent, each with its own signature", async () => {
  FakeRequest.onsend = (request) => queueMicrotask(() => request.answer(200));
  const { result, progress } = send(server({ parts: [2] }), { ticket: inParts });
  await result;
  assert.deepEqual(urls(), ["fresh 1", "fresh 3"]);
  assert.deepEqual(requests.map(({ body }) => body.size), [4, 2]);
  assert.equal(progress[0], 4); // what is there already counts
});

test("parts the server still misses follow", async () => {
  FakeRequest.onsend = (request) => queueMicrotask(() => request.answer(200));
  const completes = [problem(409, "upload-not-arrived", { missing_parts: [3] })];
  await send(server({ completes }), { ticket: inParts }).result;
  assert.deepEqual(urls(), ["fresh 1", "fresh 2", "fresh 3", "fresh 3"]);
});

test("a part whose answer was lost is looked for before it is sent again", async () => {
  const parts = [];
  FakeRequest.onsend = (request) =>
    queueMicrotask(() => {
      if (request.url !== "fresh 2") return request.answer(200);
      parts.push(1, 2, 3);
      request.progress(4);
      request.lose();
    });
  await send(server({ parts }), { ticket: inParts }).result;
  assert.deepEqual(urls().slice(0, 2), ["fresh 1", "fresh 2"]);
  assert.equal(urls().filter((url) => url === "fresh 2").length, 1);
});

test("a part whose answer was lost, and which is not there, is sent again", async () => {
  const lost = { "fresh 1": 4, "fresh 3": 2 };
  FakeRequest.onsend = (request) =>
    queueMicrotask(() => {
      const bytes = lost[request.url];
      if (!bytes) return request.answer(200);
      delete lost[request.url];
      request.progress(bytes); // all of it left, and nobody says whether it came
      request.lose();
    });
  const api = server({ parts: [2] });
  await send(api, { ticket: inParts }).result;
  assert.deepEqual(urls(), ["fresh 1", "fresh 1", "fresh 3", "fresh 3"]);
  assert.equal(api.calls.filter((call) => call.startsWith("GET")).length, 3);
});

test("a part that broke off is sent again without asking: it cannot be there", async () => {
  let cuts = 1;
  FakeRequest.onsend = (request) =>
    queueMicrotask(() => {
      if (request.url !== "fresh 2" || !cuts) return request.answer(200);
      cuts -= 1;
      request.progress(3);
      request.lose();
    });
  const api = server();
  await send(api, { ticket: inParts }).result;
  assert.deepEqual(urls(), ["fresh 1", "fresh 2", "fresh 2", "fresh 3"]);
  assert.equal(api.calls.filter((call) => call.startsWith("GET")).length, 1);
});

test("tried again later, what the store has is only completed", async () => {
  FakeRequest.onsend = (request) => queueMicrotask(() => request.answer(200));
  const crash = problem(500, "internal-error");
  const api = server({ completes: [crash, crash, crash] });
  const ticket = { id: 1, status: "pending", upload: signed("first"), receivedAt: performance.now() };
  const how = { api, file: new File(["0123456789"], "a"), ticket, timeouts, onProgress() {} };
  await assert.rejects(transfer(how), ({ isTemporary }) => isTemporary);
  assert.equal((await transfer(how)).status, "queued");
  assert.deepEqual(urls(), ["first"]);
});

test("unless the server says that it is not there", async () => {
  FakeRequest.onsend = (request) => queueMicrotask(() => request.answer(200));
  const crash = problem(500, "internal-error");
  const api = server({ completes: [crash, crash, crash, problem(409, "upload-not-arrived")] });
  const ticket = { id: 1, status: "pending", upload: signed("first"), receivedAt: performance.now() };
  const how = { api, file: new File(["0123456789"], "a"), ticket, timeouts, onProgress() {} };
  await assert.rejects(transfer(how));
  await transfer(how);
  assert.deepEqual(urls(), ["first", "fresh whole"]);
});

test("a store that is away while the server answers is said to be away", async () => {
  const told = [];
  const outcomes = ["lose", "lose", "refuse", "take"];
  FakeRequest.onsend = (request) =>
    queueMicrotask(() => {
      const outcome = outcomes.shift();
      if (outcome === "lose") request.lose();
      else request.answer(outcome === "take" ? 200 : 503);
    });
  await send(server(), { onWait: ({ pauseReason }) => told.push(pauseReason) }).result;
  // Only with the second signature it is known that the network is fine.
  assert.deepEqual(told, ["connectionBroke", "storeAway", "storeAway"]);
});

test("a file that cannot be read is given up after the second time", async () => {
  const file = new File(["0123456789"], "a");
  file.slice = () => ({ arrayBuffer: () => Promise.reject(new Error("NotReadableError")) });
  FakeRequest.onsend = (request) => queueMicrotask(() => request.lose());
  await assert.rejects(send(server(), { file }).result, Unreadable);
  assert.equal(requests.length, 2);
});
