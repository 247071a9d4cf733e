import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { NoAnswer } from "../../../static/js/upload/api.js";
import { FakeRequest, install, requests } from "./fake_xhr.mjs";
import { crash, hurryUntil, makeTab, photo, problem, revoked, ticket, until } from "./tab.mjs";

beforeEach(() => {
  install();
  globalThis.window = new EventTarget();
  globalThis.document = new EventTarget();
});

const turn = () => new Promise((resolve) => setTimeout(resolve, 1));
const photos = (count) => Array.from({ length: count }, (_, n) => photo(`${n}.jpg`, 10));
const tickets = ({ files }) => ({ uploads: files.map(({ filename }) => ticket(filename)) });
const urls = () => requests.map(({ url }) => url);

function storeAnswers(status = () => 200) {
  FakeRequest.onsend = (request) => setTimeout(() => request.answer(status(request)), 0);
}

function makeServer({ complete = async () => ({ status: "queued" }), announce = tickets } = {}) {
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
      return announce(body);
    },
  };
}

/** A server that stores all of `files`, in a tab of its own. */
async function sendAll(files, server = {}, options = {}) {
  storeAnswers();
  const api = makeServer(server);
  const tab = makeTab(api, options);
  tab.queue.add(files);
  await until(() => !tab.queue.isBusy());
  return { api, ...tab };
}

test("three are in flight, never four, and all arrive", async () => {
  const { queue, states } = makeTab(makeServer());
  queue.add(photos(30));
  for (let answered = 0; answered < 30; answered += 1) {
    await until(() => requests.length > answered);
    await turn();
    assert.ok(requests.length - answered <= 3);
    requests[answered].answer(200);
  }
  await until(() => !queue.isBusy());
  assert.deepEqual(new Set(states()), new Set(["stored"]));
});

test("the smallest are sent first; of equals, the one chosen first", async () => {
  const sizes = { large: 90, medium: 50, tiny: 1, "equal 1": 20, "equal 2": 20 };
  await sendAll(Object.entries(sizes).map(([name, size]) => photo(name, size)));
  assert.deepEqual(urls(), ["tiny", "equal 1", "equal 2", "medium", "large"]);
});

test("they are announced in batches that grow", async () => {
  const { api } = await sendAll(photos(50));
  assert.deepEqual(api.batches.map(({ length }) => length), [3, 6, 12, 20, 9]);
});

test("the same file again is one photo", async () => {
  const { queue, told } = await sendAll([photo("a", 1), photo("a", 1)]);
  assert.deepEqual([queue.items().length, told.repeats], [1, 1]);
});

test("two names for one upload are sent once, and both rows stay", async () => {
  const announce = ({ files }) => ({ uploads: files.map(() => ticket("same")) });
  const { queue, states } = await sendAll([photo("a", 1), photo("copy of a", 1)], { announce });
  assert.deepEqual([states(), urls()], [["stored", "copy"], ["same"]]);
  assert.equal(queue.items()[1].detail, "a");
});

test("a file that cannot be sent is never announced, and can be dismissed", async () => {
  const api = makeServer();
  const { queue } = makeTab(api, { refusal: ({ size }) => size > 5 && { detail: "Too big." } });
  const [{ item }] = queue.add([photo("large", 9)]);
  await turn();
  assert.deepEqual([item.state, item.detail, api.batches], ["refused", "Too big.", []]);
  queue.retry(item);
  assert.equal(item.state, "refused"); // it would be refused again
  queue.dismiss(item);
  assert.deepEqual(queue.items(), []);
});

test("a photo of an earlier visit keeps its upload, and is not sent if it is done", async () => {
  let clientId;
  const announce = ({ files }) => {
    clientId = files[0].client_id;
    return { uploads: [{ id: 1, status: "done" }] };
  };
  const previousUpload = () => ({ client_id: "known" });
  const { states } = await sendAll([photo("a", 1)], { announce }, { previousUpload });
  assert.deepEqual([clientId, states(), requests], ["known", ["here"], []]);
});

test("a photo of an earlier visit that has arrived is identified by its hash alone", async () => {
  // The host may have trashed it since: its client_id would find it all the same.
  const sha256 = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"; // of "a"
  const isSameUpload = async (upload) => {
    let clientId;
    const announce = (body) => {
      clientId = body.files[0].client_id;
      return tickets(body);
    };
    const previousUpload = () => ({ client_id: "known", ...upload });
    await sendAll([new File(["a"], "a", { lastModified: 1 })], { announce }, { previousUpload });
    return clientId === "known";
  };
  for (const status of ["pending", "queued", "processing"]) {
    assert.ok(await isSameUpload({ status, sha256 }), status);
  }
  assert.ok(await isSameUpload({ status: "done", sha256: null }), "no hash to identify it by");
  for (const status of ["done", "duplicate"]) assert.ok(!(await isSameUpload({ status, sha256 })), status);
});

test("a photo only in the cloud is read a second time", async () => {
  const file = photo("a", 3);
  const read = file.arrayBuffer.bind(file);
  let tries = 0;
  file.arrayBuffer = () => ((tries += 1) < 2 ? Promise.reject(new Error("NotReadable")) : read());
  storeAnswers();
  const { queue, states } = makeTab(makeServer());
  queue.add([file]);
  await new Promise((resolve) => setTimeout(resolve, 2100));
  await until(() => !queue.isBusy());
  assert.deepEqual([states(), tries], [["stored"], 2]);
});

test("one that cannot be read at all asks to be chosen again, and the others are sent", async () => {
  const file = photo("a", 3);
  file.arrayBuffer = () => Promise.reject(new Error("NotReadable"));
  storeAnswers();
  const { queue, states } = makeTab(makeServer());
  const [{ item }] = queue.add([file, photo("b", 4)]);
  await new Promise((resolve) => setTimeout(resolve, 2100));
  await until(() => !queue.isBusy());
  assert.deepEqual(states(), ["failed", "stored"]);
  assert.match(item.detail, /choose it again/);
  assert.equal(item.canRetry, false);
});

// --- The receipt ----------------------------------------------------------------------------

test("that one has arrived is told once, however often the receipt says so", async () => {
  const { queue, told } = await sendAll([photo("a", 1), photo("b", 2)]);
  const receipt = ["a", "b"].map((id) => ({ id, status: "processing" }));
  for (let answers = 0; answers < 3; answers += 1) queue.update(receipt);
  assert.equal(told.stored, 2);
});

test("a receipt that was read before a photo arrived does not send it again", async () => {
  const { queue, states } = await sendAll([photo("a", 1)]);
  queue.update([{ id: "a", status: "pending" }]);
  assert.deepEqual([states(), urls()], [["stored"], ["a"]]);
});

test("the reason of a rejection is shown until the hosts take it back", async () => {
  const { queue } = await sendAll([photo("a", 1)]);
  const [item] = queue.items();
  queue.update([{ id: "a", status: "done", rejection: { reason: "Too dark" } }]);
  assert.deepEqual([item.state, item.detail], ["rejected", "Too dark"]);
  queue.update([{ id: "a", status: "done", rejection: null }]);
  assert.deepEqual([item.state, item.detail], ["ready", ""]);
});

// --- Cancelled ------------------------------------------------------------------------------

test("cancelled while its signature comes, it is not sent", async () => {
  let sign;
  // Without a signature.
  const api = makeServer({ announce: () => ({ uploads: [{ id: "a", status: "pending" }] }) });
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

test("cancelled and retried while it is announced, the first upload is withdrawn", async () => {
  const answers = [];
  const clientIds = [];
  const announce = ({ files }) => {
    clientIds.push(files[0].client_id);
    return new Promise((resolve) => answers.push(resolve));
  };
  const api = makeServer({ announce });
  const withdrawn = [];
  api.delete = async (path) => withdrawn.push(path);
  const { queue } = makeTab(api);
  const [{ item }] = queue.add([photo("a", 3)]);
  await until(() => answers.length === 1);
  queue.cancel(item);
  queue.retry(item);
  answers[0]({ uploads: [ticket("first")] });
  await until(() => answers.length === 2);
  answers[1]({ uploads: [ticket("second")] });
  await until(() => requests.length === 1);
  requests[0].answer(200);
  await until(() => item.state === "stored");
  assert.deepEqual([urls(), withdrawn], [["second"], ["uploads/first/"]]);
  assert.notEqual(clientIds[0], clientIds[1]);
});

test("cancelled and retried while it is sent, the end of the first transfer changes nothing", async () => {
  const completes = [];
  const complete = () => new Promise((resolve, reject) => completes.push({ resolve, reject }));
  const api = makeServer({ complete });
  api.delete = async () => null;
  storeAnswers();
  const { queue } = makeTab(api);
  const [{ item }] = queue.add([photo("a", 3)]);
  await until(() => completes.length === 1);
  queue.cancel(item);
  queue.retry(item);
  await until(() => completes.length === 2);
  completes[0].reject(problem(409, "upload-not-pending"));
  for (let turns = 0; turns < 5; turns += 1) await turn();
  assert.equal(item.state, "sending");
  completes[1].resolve({ status: "queued" });
  await until(() => item.state === "stored");
});

// --- A link that is closed ------------------------------------------------------------------

test("a withdrawn link stops what is in flight and what waits", async () => {
  const { queue, told, states } = makeTab(makeServer({ complete: () => Promise.reject(revoked()) }));
  queue.add(photos(9));
  await until(() => requests.length === 3);
  requests[0].answer(200);
  await until(() => !queue.isBusy());
  assert.deepEqual([told.closed, new Set(states())], [["invitation-revoked"], new Set(["refused"])]);
  assert.ok(requests[1].isAborted && requests[2].isAborted);
  assert.ok(queue.items().every(({ canRetry }) => !canRetry));
});

test("what had arrived by then says so, and no more", async () => {
  const { queue, states, told } = await sendAll([photo("a", 1)]);
  queue.close(problem(403, "something-else"));
  queue.close(revoked()); // the receipt was refused
  queue.close(revoked());
  assert.deepEqual([states(), told.closed], [["stored"], ["invitation-revoked"]]);
  assert.equal(queue.items()[0].detail, "Arrived");
});

test("photos chosen after a withdrawal get all the places of those it stopped", async () => {
  const lost = new NoAnswer();
  const answers = {};
  const complete = (path) =>
    new Promise((resolve, reject) => (answers[path.split("/")[1]] = { resolve, reject }));
  const { queue } = makeTab(makeServer({ complete }));
  const [first, slow] = queue.add([photo("first", 1), photo("slow", 2)]);
  await until(() => requests.length === 2);
  requests.forEach((request) => request.answer(200));
  await until(() => answers.first && answers.slow);
  answers.first.reject(revoked());
  await until(() => first.item.state === "refused");
  queue.add(["a", "b", "c"].map((name) => photo(name, 5))); // the link is good again, they hope
  answers.slow.reject(lost);
  await until(() => slow.item.state === "failed");
  await until(() => requests.length === 5);
  assert.deepEqual(urls().slice(2).sort(), ["a", "b", "c"]);
  requests.slice(2).forEach((request) => request.answer(200));
});

test("a photo whose confirmation was lost before the withdrawal is not said to be unsent", async () => {
  storeAnswers();
  const lost = [new NoAnswer()];
  const complete = () => Promise.reject(lost.pop() ?? revoked());
  const { queue, states, told } = makeTab(makeServer({ complete }));
  queue.add([photo("a", 1)]);
  await hurryUntil(() => !queue.isBusy());
  assert.deepEqual([states(), told.closed], [["unconfirmed"], ["invitation-revoked"]]);
});

test("of a photo that the server missed since, a lost answer leaves no doubt", async () => {
  storeAnswers();
  const answers = [new NoAnswer(), problem(409, "upload-not-arrived"), revoked()];
  const { queue, states } = makeTab(makeServer({ complete: () => Promise.reject(answers.shift()) }));
  queue.add([photo("a", 1)]);
  await hurryUntil(() => !queue.isBusy());
  assert.deepEqual(states(), ["refused"]);
});

test("a photo that comes back from a deferral to a full link is refused, and does not wait for ever", async () => {
  const announce = ({ files: [{ filename }] }) =>
    Promise.reject(filename === "poison" ? crash() : problem(409, "invitation-exhausted"));
  const { queue } = makeTab(makeServer({ announce }));
  const [{ item }] = queue.add([photo("poison", 1)]);
  await hurryUntil(() => item.state === "deferred");
  queue.close(problem(409, "invitation-exhausted"));
  await hurryUntil(() => item.state === "refused");
  assert.equal(item.canRetry, true);
});

// --- Temporary faults -----------------------------------------------------------------------

test("announcing answers 500 for a long time, and every photo arrives by itself", async () => {
  storeAnswers();
  let crashes = 40;
  const announce = (body) => {
    if ((crashes -= 1) >= 0) throw crash();
    return tickets(body);
  };
  const { queue, states } = makeTab(makeServer({ announce }));
  queue.add(photos(6));
  const seen = new Set();
  await hurryUntil(() => states().forEach((state) => seen.add(state)) ?? !queue.isBusy());
  assert.deepEqual(states(), Array(6).fill("stored"));
  assert.ok(!seen.has("failed") && !seen.has("refused"), [...seen].join());
});

test("a photo that makes the server crash is tried alone, and holds up no other", async () => {
  storeAnswers();
  const announce = (body) => {
    if (body.files.some(({ filename }) => filename === "poison")) throw crash();
    return tickets(body);
  };
  const api = makeServer({ announce });
  const { queue, states } = makeTab(api);
  queue.add([photo("poison", 1), ...photos(40)]);
  const others = () => states().slice(1);
  await hurryUntil(() => others().every((state) => state === "stored"));
  const [poison] = queue.items();
  await hurryUntil(() => poison.state === "deferred");
  assert.equal(poison.pauseReason, "serverAway");
  const withIt = () => api.batches.filter((batch) => batch.includes("poison"));
  assert.ok(withIt().slice(3).every((batch) => batch.length === 1), JSON.stringify(withIt()));
  // It is still tried, and can be cancelled.
  const tries = withIt().length;
  await hurryUntil(() => withIt().length > tries);
  queue.cancel(poison);
  assert.equal(poison.state, "cancelled");
  assert.ok(!queue.isBusy());
});

test("a store that refuses for long gets the photo in the end, and the others do not wait", async () => {
  let refusals = 12;
  storeAnswers(({ body }) => (body.size === 7 && (refusals -= 1) >= 0 ? 403 : 200));
  const { queue, states } = makeTab(makeServer());
  queue.add([photo("refused", 7), ...photos(5)]);
  await hurryUntil(() => !queue.isBusy());
  assert.deepEqual(states(), Array(6).fill("stored"));
  assert.equal(refusals, -1);
});

for (const [what, isOnline] of [["offline", false], ["behind a broken connection", true]]) {
  test(`${what}, a photo stays paused through every retry until bytes move`, async () => {
    Object.defineProperty(navigator, "onLine", { value: isOnline, configurable: true });
    const shown = [];
    let losses = 3;
    FakeRequest.onsend = (request) =>
      setTimeout(() => {
        if ((losses -= 1) >= 0) return request.lose();
        shown.push("bytes");
        request.progress(4);
        request.answer(200);
      }, 0);
    const onChange = ({ state, bytes }) => shown.push(`${state} ${bytes}`);
    const { queue } = makeTab(makeServer(), { onChange });
    queue.add([photo("a", 8)]);
    await hurryUntil(() => !queue.isBusy());
    delete navigator.onLine;
    const paused = shown.slice(shown.indexOf("paused 0"), shown.indexOf("bytes"));
    assert.deepEqual(new Set(paused), new Set(["paused 0"]));
    assert.equal(shown[shown.indexOf("bytes") + 1], "sending 4");
  });
}
