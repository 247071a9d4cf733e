import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { NoAnswer, Problem } from "../../../static/js/upload/api.js";
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
    timeouts: { stallMs: 15_000, signatureMs: 900_000 },
    refusal: () => null,
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

test("two names for one upload are sent once, and both rows stay", async () => {
  FakeRequest.onsend = (request) => setTimeout(() => request.answer(200), 0);
  const announce = ({ files }) => ({
    uploads: files.map(() => ({
      id: "same",
      status: "pending",
      upload: { method: "PUT", url: "same", headers: {} },
    })),
  });
  const { queue, states } = makeTab(makeServer({ announce }));
  queue.add([photo("a", 1), photo("copy of a", 1)]);
  await until(() => !queue.isBusy());
  assert.deepEqual([states(), urls()], [["stored", "copy"], ["same"]]);
  assert.equal(queue.items()[1].detail, "a");
});

test("what cannot be sent is never announced", async () => {
  const api = makeServer();
  const { queue } = makeTab(api, {
    refusal: ({ size }) => (size > 5 ? { detail: "Too big." } : null),
  });
  const [{ item }] = queue.add([photo("large", 9)]);
  await turn();
  assert.deepEqual([item.state, item.detail, api.batches], ["refused", "Too big.", []]);
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
  assert.deepEqual([told.closed, new Set(states())], [["invitation-revoked"], new Set(["refused"])]);
  assert.ok(requests[1].isAborted && requests[2].isAborted);
  assert.ok(queue.items().every(({ canRetry }) => !canRetry));
});

test("what had arrived by then says so, and no more", async () => {
  const gone = new Problem(
    { status: 403, headers: new Headers() },
    { type: "https://x/problems/invitation-revoked/", title: "Withdrawn" },
  );
  FakeRequest.onsend = (request) => setTimeout(() => request.answer(200), 0);
  const { queue, states, told } = makeTab(makeServer());
  queue.add([photo("a", 1)]);
  await until(() => !queue.isBusy());
  queue.close(Object.assign(new Error("odd"), { slug: "something-else" }));
  queue.close(gone); // the receipt was refused
  queue.close(gone);
  assert.deepEqual([states(), told.closed], [["stored"], ["invitation-revoked"]]);
  assert.equal(queue.items()[0].detail, "Arrived");
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
  await until(() => first.item.state === "refused");
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

// --- What may pass --------------------------------------------------------------------------

const crash = () =>
  new Problem({ status: 500, headers: new Headers() }, { type: "https://x/problems/internal-error/" });

/** Ends every wait that a network which comes back would end, until `isSo()`. */
async function hurryUntil(isSo) {
  globalThis.window ??= new EventTarget();
  await until(() => {
    if (isSo()) return true;
    globalThis.window.dispatchEvent(new Event("online"));
    return false;
  });
}

test("announcing answers 500 for a long time, and every photo arrives by itself", async () => {
  FakeRequest.onsend = (request) => setTimeout(() => request.answer(200), 0);
  let crashes = 40;
  const api = makeServer({
    announce({ files }) {
      if ((crashes -= 1) >= 0) throw crash();
      return {
        uploads: files.map(({ filename }) => ({
          id: filename,
          status: "pending",
          upload: { method: "PUT", url: filename, headers: {} },
        })),
      };
    },
  });
  const { queue, states } = makeTab(api);
  queue.add(Array.from({ length: 6 }, (_, n) => photo(`${n}.jpg`, 10)));
  const seen = new Set();
  await hurryUntil(() => states().forEach((state) => seen.add(state)) ?? !queue.isBusy());
  assert.deepEqual(states(), Array(6).fill("stored"));
  assert.ok(!seen.has("failed") && !seen.has("refused"), [...seen].join());
});

test("a photo that makes the server crash is tried apart, and holds up no other", async () => {
  FakeRequest.onsend = (request) => setTimeout(() => request.answer(200), 0);
  const api = makeServer({
    announce({ files }) {
      if (files.some(({ filename }) => filename === "poison")) throw crash();
      return {
        uploads: files.map(({ filename }) => ({
          id: filename,
          status: "pending",
          upload: { method: "PUT", url: filename, headers: {} },
        })),
      };
    },
  });
  const { queue, states } = makeTab(api);
  queue.add([photo("poison", 1), ...Array.from({ length: 40 }, (_, n) => photo(`${n}.jpg`, 10))]);
  const others = () => states().slice(1);
  await hurryUntil(() => others().every((state) => state === "stored"));
  const [poison] = queue.items();
  await until(() => poison.state === "paused" && poison.isApart);
  assert.equal(poison.pauseReason, "serverAway");
  const withIt = api.batches.filter((batch) => batch.includes("poison"));
  assert.ok(withIt.slice(3).every((batch) => batch.length === 1), JSON.stringify(withIt));
  // It is still tried, and can be cancelled.
  const tries = withIt.length;
  await hurryUntil(() => api.batches.filter((batch) => batch.includes("poison")).length > tries);
  queue.cancel(poison);
  assert.equal(poison.state, "cancelled");
  assert.ok(!queue.isBusy());
});

test("a store that refuses for long gets the photo in the end, and the others do not wait", async () => {
  let refusals = 12;
  FakeRequest.onsend = (request) =>
    setTimeout(() => request.answer(request.body.size === 7 && (refusals -= 1) >= 0 ? 403 : 200), 0);
  const { queue, states } = makeTab(makeServer());
  queue.add([photo("refused", 7), ...Array.from({ length: 5 }, (_, n) => photo(`${n}`, 10))]);
  await hurryUntil(() => !queue.isBusy());
  assert.deepEqual(states(), Array(6).fill("stored"));
  assert.equal(refusals, -1);
});

test("one that was put apart and arrived after all says so", async () => {
  FakeRequest.onsend = (request) => setTimeout(() => request.answer(200), 0);
  const { queue } = makeTab(makeServer({ complete: () => Promise.reject(crash()) }));
  const [{ item }] = queue.add([photo("a", 1)]);
  await hurryUntil(() => item.isApart && item.state === "paused");
  queue.update([{ id: "a", status: "done" }]);
  assert.equal(item.state, "ready");
});

test("a withdrawn link ends the waits of those apart, too", async () => {
  const revoked = new Problem(
    { status: 403, headers: new Headers() },
    { type: "https://x/problems/invitation-revoked/", title: "Withdrawn" },
  );
  FakeRequest.onsend = (request) => setTimeout(() => request.answer(200), 0);
  const { queue } = makeTab(makeServer({ complete: () => Promise.reject(crash()) }));
  const [{ item }] = queue.add([photo("a", 1)]);
  await hurryUntil(() => item.isApart && item.state === "paused");
  queue.close(revoked);
  assert.deepEqual([item.state, queue.isBusy()], ["unconfirmed", false]);
});

test("whose confirmation was lost before the link was withdrawn is not said to be unsent", async () => {
  const revoked = new Problem(
    { status: 403, headers: new Headers() },
    { type: "https://x/problems/invitation-revoked/", title: "Withdrawn" },
  );
  FakeRequest.onsend = (request) => setTimeout(() => request.answer(200), 0);
  const lost = [new NoAnswer()];
  const complete = () => Promise.reject(lost.pop() ?? revoked);
  const { queue, told } = makeTab(makeServer({ complete }));
  const [{ item }] = queue.add([photo("a", 1)]);
  await hurryUntil(() => !queue.isBusy());
  assert.deepEqual([item.state, told.closed], ["unconfirmed", ["invitation-revoked"]]);
  // The receipt knows, should it be read again.
  queue.update([{ id: "a", status: "done" }]);
  assert.equal(item.state, "ready");
});

test("of a photo that the server missed since, a lost answer leaves no doubt", async () => {
  const problem = (status, slug) =>
    new Problem({ status, headers: new Headers() }, { type: `https://x/problems/${slug}/` });
  FakeRequest.onsend = (request) => setTimeout(() => request.answer(200), 0);
  const answers = [new NoAnswer(), problem(409, "upload-not-arrived"), problem(403, "invitation-revoked")];
  const complete = () => Promise.reject(answers.shift());
  const { queue, states } = makeTab(makeServer({ complete }));
  queue.add([photo("a", 1)]);
  await hurryUntil(() => !queue.isBusy());
  assert.deepEqual(states(), ["refused"]);
});

test("one that cannot be sent can be taken off the list", async () => {
  const { queue } = makeTab(makeServer(), { refusal: () => ({ detail: "Too big." }) });
  const [{ item }] = queue.add([photo("a", 1)]);
  queue.dismiss(item);
  assert.deepEqual(queue.items(), []);
});

test("a rejection by the hosts is news, and so is that they took it back", async () => {
  FakeRequest.onsend = (request) => setTimeout(() => request.answer(200), 0);
  const { queue, states } = makeTab(makeServer());
  queue.add([photo("a", 1)]);
  await until(() => !queue.isBusy());
  queue.update([{ id: "a", status: "done", rejection: { reason: "Too dark" } }]);
  assert.deepEqual([states(), queue.items()[0].detail], [["rejected"], "Too dark"]);
  queue.update([{ id: "a", status: "done", rejection: null }]);
  assert.deepEqual([states(), queue.items()[0].detail], [["ready"], ""]);
});

test("a receipt that was read before a photo arrived does not send it again", async () => {
  FakeRequest.onsend = (request) => setTimeout(() => request.answer(200), 0);
  const { queue, states } = makeTab(makeServer());
  queue.add([photo("a", 1)]);
  await until(() => !queue.isBusy());
  queue.update([{ id: "a", status: "pending" }]);
  assert.deepEqual([states(), urls()], [["stored"], ["a"]]);
});
