import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Problem } from "../../../static/js/upload/api.js";
import { makeQueue } from "../../../static/js/upload/queue.js";
import { FakeRequest, install, requests } from "./fake_xhr.mjs";

beforeEach(install);

const photo = (name, size) => new File([new Uint8Array(size)], name, { lastModified: 1 });
const turn = () => new Promise((resolve) => setTimeout(resolve, 1));

async function until(isSo) {
  for (let tries = 0; !isSo(); tries += 1) {
    assert.ok(tries < 1000, "it never came to be");
    await turn();
  }
}

function makeServer({ complete = async () => ({ status: "queued" }), announce } = {}) {
  const batches = [];
  return {
    batches,
    async get() {
      return { parts: [] };
    },
    async post(path, body) {
      if (path.endsWith("/complete/")) return complete(path);
      if (path.endsWith("/sign/")) return { method: "PUT", url: "fresh", headers: {} };
      batches.push(body.files.map(({ filename }) => filename));
      if (announce) return announce(body);
      return {
        uploads: body.files.map(({ filename }) => ({
          id: filename,
          status: "pending",
          upload: { method: "PUT", url: filename, headers: {} },
        })),
      };
    },
  };
}

function makeTab(api, more = {}) {
  const told = { merged: [], closed: [], stored: 0 };
  const queue = makeQueue({
    api,
    pace: { stallMs: 15_000, signatureMs: 900_000 },
    refusal: () => "",
    earlier: () => undefined,
    uploaderName: () => "Cleo",
    changed() {},
    stored: () => (told.stored += 1),
    merged: (kept) => told.merged.push(kept.file.name),
    closed: (problem) => told.closed.push(problem.slug),
    ...more,
  });
  return { queue, told, states: () => queue.items().map(({ state }) => state) };
}

const urls = () => requests.map(({ url }) => url);

test("three are in flight, never four, and all arrive", async () => {
  const { queue, states } = makeTab(makeServer());
  queue.add(Array.from({ length: 30 }, (_, n) => photo(`${n}.jpg`, 10)));
  let answered = 0;
  while (answered < 30) {
    await until(() => requests.length > answered);
    await turn();
    assert.ok(requests.length - answered <= 3);
    requests[answered].answer(200);
    answered += 1;
  }
  await until(() => !queue.isBusy());
  assert.deepEqual(new Set(states()), new Set(["stored"]));
});

test("the smallest go first; of equals, who came first", async () => {
  FakeRequest.onsend = (request) => setTimeout(() => request.answer(200), 0);
  const { queue } = makeTab(makeServer());
  queue.add([
    photo("large", 90), photo("medium", 50), photo("tiny", 1), photo("equal 1", 20), photo("equal 2", 20),
  ]);
  await until(() => !queue.isBusy());
  assert.deepEqual(urls(), ["tiny", "equal 1", "equal 2", "medium", "large"]);
});

test("they are announced in batches that grow", async () => {
  FakeRequest.onsend = (request) => setTimeout(() => request.answer(200), 0);
  const api = makeServer();
  const { queue } = makeTab(api);
  queue.add(Array.from({ length: 50 }, (_, n) => photo(`${n}.jpg`, 10)));
  await until(() => !queue.isBusy());
  assert.deepEqual(api.batches.map(({ length }) => length), [3, 6, 12, 20, 9]);
});

test("the same file again is one photo", async () => {
  FakeRequest.onsend = (request) => setTimeout(() => request.answer(200), 0);
  const { queue, told } = makeTab(makeServer());
  queue.add([photo("a", 1), photo("a", 1)]);
  await until(() => !queue.isBusy());
  assert.equal(queue.items().length, 1);
  assert.deepEqual(told.merged, ["a"]);
});

test("two names for one upload become one photo", async () => {
  FakeRequest.onsend = (request) => setTimeout(() => request.answer(200), 0);
  const announce = ({ files }) => ({
    uploads: files.map(() => ({
      id: "same",
      status: "pending",
      upload: { method: "PUT", url: "same", headers: {} },
    })),
  });
  const { queue, told } = makeTab(makeServer({ announce }));
  queue.add([photo("a", 1), photo("copy of a", 1)]);
  await until(() => !queue.isBusy());
  assert.equal(queue.items().length, 1);
  assert.deepEqual([told.merged, urls()], [["a"], ["same"]]);
});

test("what cannot be sent is never announced", async () => {
  const api = makeServer();
  const { queue } = makeTab(api, { refusal: ({ size }) => (size > 5 ? "Too big." : "") });
  const [{ item }] = queue.add([photo("large", 9)]);
  await turn();
  assert.deepEqual([item.state, item.detail, api.batches], ["failed", "Too big.", []]);
});

test("what is there already is not sent", async () => {
  const announce = ({ files }) => ({ uploads: files.map(() => ({ id: 1, status: "done" })) });
  const { queue, states } = makeTab(makeServer({ announce }));
  queue.add([photo("a", 1)]);
  await until(() => !queue.isBusy());
  assert.deepEqual([states(), requests.length], [["here"], 0]);
});

test("a photo of an earlier visit keeps its upload", async () => {
  let clientId;
  const announce = ({ files }) => {
    clientId = files[0].client_id;
    return { uploads: [{ id: 1, status: "done" }] };
  };
  const earlier = () => ({ client_id: "known" });
  const { queue } = makeTab(makeServer({ announce }), { earlier });
  queue.add([photo("a", 1)]);
  await until(() => !queue.isBusy());
  assert.equal(clientId, "known");
});

test("a withdrawn link stops what is in flight and what waits", async () => {
  const gone = new Problem(
    { status: 403, headers: new Headers() },
    { type: "https://x/problems/invitation-revoked/", title: "Withdrawn" },
  );
  const { queue, told, states } = makeTab(makeServer({ complete: () => Promise.reject(gone) }));
  queue.add(Array.from({ length: 9 }, (_, n) => photo(`${n}.jpg`, 10)));
  await until(() => requests.length === 3);
  requests[0].answer(200);
  await until(() => !queue.isBusy());
  assert.deepEqual([told.closed, new Set(states())], [["invitation-revoked"], new Set(["failed"])]);
  assert.ok(requests[1].isAborted && requests[2].isAborted);
  assert.ok(queue.items().every(({ canRetry }) => !canRetry));
});

test("a photo only in the cloud is read a second time", async () => {
  FakeRequest.onsend = (request) => setTimeout(() => request.answer(200), 0);
  const file = photo("a", 3);
  const read = file.arrayBuffer.bind(file);
  let tries = 0;
  file.arrayBuffer = () => ((tries += 1) < 2 ? Promise.reject(new Error("NotReadable")) : read());
  const { queue, states } = makeTab(makeServer());
  queue.add([file]);
  await new Promise((resolve) => setTimeout(resolve, 2100));
  await until(() => !queue.isBusy());
  assert.deepEqual([states(), tries], [["stored"], 2]);
});

test("one that cannot be read at all asks to be chosen again", async () => {
  const file = photo("a", 3);
  file.arrayBuffer = () => Promise.reject(new Error("NotReadable"));
  const { queue, states } = makeTab(makeServer());
  const [{ item }] = queue.add([file, photo("b", 4)]);
  await new Promise((resolve) => setTimeout(resolve, 2100));
  await until(() => item.state === "failed");
  assert.match(item.detail, /choose it again/);
  assert.equal(item.canRetry, false);
  await until(() => requests.length === 1);
  requests[0].answer(200);
  await until(() => !queue.isBusy());
  assert.deepEqual(states(), ["failed", "stored"]); // the other one went
});

test("that one has arrived is told once, however often the receipt says so", async () => {
  FakeRequest.onsend = (request) => setTimeout(() => request.answer(200), 0);
  const { queue, told } = makeTab(makeServer());
  queue.add([photo("a", 1), photo("b", 2)]);
  await until(() => !queue.isBusy());
  const receipt = ["a", "b"].map((id) => ({ id, status: "processing" }));
  for (let answers = 0; answers < 3; answers += 1) queue.update(receipt);
  assert.equal(told.stored, 2);
});

test("cancelled while its signature comes, it is not sent", async () => {
  let sign;
  const api = makeServer({
    announce: () => ({ uploads: [{ id: "a", status: "pending" }] }), // without a signature
  });
  const { post } = api;
  const signing = new Promise((resolve) => (sign = resolve));
  api.post = async (path, body) => (path.endsWith("/sign/") && (await signing), post(path, body));
  const withdrawn = [];
  api.delete = async (path) => withdrawn.push(path);
  const { queue, states } = makeTab(api);
  const [{ item }] = queue.add([photo("a", 3)]);
  await until(() => item.state === "sending");
  queue.cancel(item);
  sign();
  for (let turns = 0; turns < 5; turns += 1) await turn();
  assert.deepEqual([states(), requests, withdrawn], [["cancelled"], [], ["uploads/a/"]]);
});

test("photos chosen after a withdrawal get all the places of those it stopped", async () => {
  const revoked = new Problem(
    { status: 403, headers: new Headers() },
    { type: "https://x/problems/invitation-revoked/", title: "Withdrawn" },
  );
  const lost = Object.assign(new Error("lost"), { isTemporary: true });
  const answers = {};
  const complete = (path) =>
    new Promise((resolve, reject) => (answers[path.split("/")[1]] = { resolve, reject }));
  const { queue } = makeTab(makeServer({ complete }));
  const [first, slow] = queue.add([photo("first", 1), photo("slow", 2)]);
  await until(() => requests.length === 2);
  requests.forEach((request) => request.answer(200));
  await until(() => answers.first && answers.slow);
  answers.first.reject(revoked);
  await until(() => first.item.state === "failed");
  queue.add(["a", "b", "c"].map((name) => photo(name, 5))); // the link is good again, they hope
  answers.slow.reject(lost);
  await until(() => slow.item.state === "failed");
  await until(() => requests.length === 5);
  assert.deepEqual(urls().slice(2).sort(), ["a", "b", "c"]);
  requests.slice(2).forEach((request) => request.answer(200));
});

test("a photo of an earlier visit that has arrived is known by its hash alone", async () => {
  // The host may have trashed it since: its client_id would find it all the same.
  const sha256 = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"; // of "a"
  FakeRequest.onsend = (request) => setTimeout(() => request.answer(200), 0);
  const sent = async (line) => {
    const api = makeServer();
    let clientId;
    const { post } = api;
    api.post = (path, body) => {
      clientId ??= body?.files?.[0].client_id;
      return post(path, body);
    };
    const { queue } = makeTab(api, { earlier: () => ({ client_id: "known", ...line }) });
    queue.add([new File(["a"], "a", { lastModified: 1 })]);
    await until(() => clientId);
    return clientId === "known";
  };
  for (const status of ["pending", "queued", "processing"]) {
    assert.ok(await sent({ status, sha256 }), status);
  }
  assert.ok(await sent({ status: "done", sha256: null }), "no hash to know it by");
  for (const status of ["done", "duplicate"]) assert.ok(!(await sent({ status, sha256 })), status);
});
