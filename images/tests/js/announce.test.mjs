import assert from "node:assert/strict";
import { test } from "node:test";
import { announce, sha256 } from "../../../static/js/upload/announce.js";
import { NoAnswer, Problem } from "../../../static/js/upload/api.js";

export function problem(status, slug, more = {}) {
  const body = { type: `https://x/problems/${slug}/`, title: slug, detail: `${slug}.`, ...more };
  return new Problem({ status, headers: new Headers() }, body);
}

const item = (name, clientId = name) => ({
  file: new File(["x"], name, { type: "image/jpeg", lastModified: 7 }),
  clientId,
});

/** Answers with a ticket for each file, unless `refuse(files)` gives a problem. */
function server(refuse = () => null) {
  const asked = [];
  return {
    asked,
    async post(path, body) {
      asked.push(body.files.map(({ filename }) => filename));
      const problem = refuse(body.files);
      if (problem) throw problem;
      return { uploads: body.files.map(({ filename }) => ({ id: `id of ${filename}` })) };
    },
  };
}

const ids = (results) => results.map(({ ticket, problem }) => ticket?.id ?? problem.message);

test("each item gets its own ticket", async () => {
  const api = server();
  const results = await announce({ api, items: [item("a"), item("b")], about: { uploader_name: "" } });
  assert.deepEqual(ids(results), ["id of a", "id of b"]);
  assert.equal(api.asked.length, 1);
});

test("a file is described by what the browser knows", async () => {
  let body;
  const api = {
    post: async (path, sent) => {
      body = sent;
      return { uploads: [{}] };
    },
  };
  await announce({ api, items: [{ ...item("a", "11"), hash: "ab" }], about: { uploader_name: "Cleo" } });
  assert.deepEqual(body, {
    uploader_name: "Cleo",
    files: [
      {
        client_id: "11",
        filename: "a",
        content_type: "image/jpeg",
        size: 1,
        last_modified: 7,
        sha256: "ab",
      },
    ],
  });
});

test("a refused file does not keep the others back", async () => {
  const refuse = (files) => {
    const bad = files.findIndex(({ filename }) => filename === "bad");
    const errors = [{ pointer: `#/files/${bad}/size`, detail: "Too big." }];
    return bad < 0 ? null : problem(400, "invalid", { errors });
  };
  const items = [item("a"), item("bad"), item("b")];
  const results = await announce({ api: server(refuse), items, about: { uploader_name: "" } });
  assert.deepEqual(ids(results).sort(), ["Too big.", "id of a", "id of b"]);
});

test("a link with room for two takes the first two", async () => {
  let room = 2;
  const refuse = (files) => {
    if (files.length > room) return problem(409, "invitation-exhausted");
    room -= files.length;
    return null;
  };
  const api = server(refuse);
  const items = ["a", "b", "c", "d"].map((name) => item(name));
  const results = await announce({ api, items, about: { uploader_name: "" } });
  const full = "invitation-exhausted.";
  assert.deepEqual(ids(results), ["id of a", "id of b", full, full]);
  assert.deepEqual(api.asked.at(-1), ["c"]); // after a refusal nobody asks again
});

for (const [told, crash] of [
  ["in JSON", () => problem(500, "internal-error")],
  ["in HTML", () => new NoAnswer({ status: 500, headers: new Headers() })],
]) {
  test(`where one makes the server crash, all are left to be announced alone, ${told}`, async () => {
    // A network that comes back ends each wait.
    globalThis.window = new EventTarget();
    const onWait = () => queueMicrotask(() => globalThis.window.dispatchEvent(new Event("online")));
    const api = server((files) => (files.some(({ filename }) => filename === "bad") ? crash() : null));
    const items = [item("a"), item("bad"), item("b")];
    const results = await announce({ api, items, about: { uploader_name: "" }, retryOptions: { onWait } });
    delete globalThis.window;
    assert.ok(results.every(({ problem }) => problem.isTemporary));
    assert.deepEqual(api.asked, Array(3).fill(["a", "bad", "b"]));
  });
}

test("any other problem is everybody's", async () => {
  const refuse = () => problem(403, "invitation-revoked");
  const results = await announce({ api: server(refuse), items: [item("a"), item("b")] });
  assert.deepEqual(results.map(({ problem }) => problem.slug), Array(2).fill("invitation-revoked"));
});

test("an answer about other files is none", async () => {
  let tries = 0;
  const api = {
    post: async () => ({ uploads: (tries += 1) < 2 ? [] : [{ id: 1 }] }),
  };
  const retryOptions = { onWait: () => queueMicrotask(() => globalThis.window.dispatchEvent(new Event("online"))) };
  globalThis.window = new EventTarget();
  const [result] = await announce({ api, items: [item("a")], about: { uploader_name: "" }, retryOptions });
  delete globalThis.window;
  assert.deepEqual([tries, result.ticket.id], [2, 1]);
});

test("the hash is SHA-256 in hex; none is made of what does not fit the memory", async () => {
  assert.equal(
    await sha256(new Blob(["abc"])),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
  assert.equal(await sha256({ size: 65 * 1024 * 1024 }), "");
});
