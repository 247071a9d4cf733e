/* Walks the table of transitions with a real queue. */

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { NoAnswer } from "../../../static/js/upload/api.js";
import { UploadQueue } from "../../../static/js/upload/queue.js";
import { ARRIVED, TRANSITIONS, isSettled, keyOf, stateOf } from "../../../static/js/upload/states.js";
import { install, requests } from "./fake_xhr.mjs";
import { crash, makeTab, photo, problem, revoked, ticket, until } from "./tab.mjs";

beforeEach(() => {
  install();
  globalThis.window = new EventTarget();
  globalThis.document = new EventTarget();
});

const REPORTS = {
  queued: { status: "queued" },
  done: { status: "done" },
  duplicate: { status: "duplicate" },
  failed: { status: "failed", failure: "crashed" },
  discarded: { status: "discarded" },
  rejected: { status: "done", rejection: { reason: "Dark" } },
  trashed: { status: "done", photo: { trashed_at: "2026-01-01" } },
  rejectedHere: { status: "duplicate", rejection: { reason: "Dark" } },
  trashedHere: { status: "duplicate", photo: { trashed_at: "2026-01-01" } },
};
const PROBLEMS = {
  lost: () => new NoAnswer(),
  crash,
  revoked,
  full: () => problem(409, "invitation-exhausted"),
  gone: () => problem(404, "not-found"),
  late: () => problem(409, "upload-not-pending"),
  missing: () => problem(409, "upload-not-arrived"),
  forbidden: () => problem(403, "forbidden"),
};

/**
 * A tab whose server answers about the photo "subject" when a step says so, and about other photos
 * at once. Returns walk(path): the transitions of all photos while its steps are taken. A step is
 * `name(argument)=state`, the state being the subject's after it.
 */
function makeWalk() {
  const asked = []; // requests about the subject that are not answered
  const ask = (what, mine, answer) =>
    mine ? new Promise((resolve, reject) => asked.push({ what, resolve, reject })) : answer;
  const api = {
    get: async () => ({ parts: [] }),
    async post(path, body) {
      if (path.endsWith("/sign/")) return ticket("fresh").upload;
      if (path.endsWith("/complete/")) return ask("complete", path.includes("subject"), { status: "queued" });
      const names = body.files.map(({ filename }) => filename);
      const uploads = names.map((name) => ticket(name));
      return ask("announce", names.includes("subject"), { uploads });
    },
    delete: (path) => ask("delete", path.includes("subject"), null),
  };
  const refusal = ({ size }) => size === 66 && { detail: "No room.", canRetry: true };
  const { queue } = makeTab(api, { refusal });
  let item;

  const add = (...files) => {
    const added = queue.add(files);
    item ??= added.find(({ item: { file } }) => file.name === "subject")?.item;
  };
  const answer = async (what, value) => {
    await until(() => asked.some((each) => each.what === what));
    const { resolve, reject } = asked.splice(asked.findIndex((each) => each.what === what), 1)[0];
    if (PROBLEMS[value]) reject(PROBLEMS[value]());
    else resolve(value);
  };
  const open = async () => {
    await until(() => requests.some(({ isOver, url }) => !isOver && /subject|fresh/.test(url)));
    return requests.find(({ isOver, url }) => !isOver && /subject|fresh/.test(url));
  };
  const online = () => globalThis.window.dispatchEvent(new Event("online"));
  const endWait = async () => {
    for (let turns = 0; turns < 5; turns += 1) await new Promise(setImmediate);
    online();
  };
  const steps = {
    add: () => add(photo("subject", 10)),
    "add:refused": () => add(photo("subject", 66)),
    "add:two": () => add(photo("subject", 10), photo("companion", 11)),
    others: async () => {
      add(photo("a", 1), photo("b", 2), photo("c", 3));
      await until(() => requests.filter(({ isOver }) => !isOver).length === 3);
    },
    "others:one-ends": () => requests.find(({ isOver }) => !isOver).answer(200),
    asks: () => until(() => asked.length),
    announce: (status = "pending") => {
      if (PROBLEMS[status]) return answer("announce", status);
      const given = status === "same" ? ticket("a") : ticket("subject", REPORTS[status]);
      return answer("announce", { uploads: [given] });
    },
    complete: (status) => answer("complete", REPORTS[status] ?? status),
    delete: (status) => answer("delete", status),
    bytes: async () => (await open()).progress(5),
    sent: async () => {
      (await open()).answer(200);
      await until(() => asked.some(({ what }) => what === "complete"));
    },
    "put:lost": async () => (await open()).lose(),
    crashes: async () => {
      for (let tries = 0; tries < 3; tries += 1) {
        await until(() => asked.length);
        asked.shift().reject(crash());
        if (tries < 2) await endWait();
      }
    },
    doubts: async () => {
      for (let rounds = 0; rounds < 5; rounds += 1) {
        if (rounds) await steps.sent();
        await answer("complete", "missing");
        await endWait();
      }
    },
    online: () => void online(),
    cancel: () => queue.cancel(item),
    retry: () => queue.retry(item),
    close: (why = "revoked") => queue.close(PROBLEMS[why]()),
    report: (status) => queue.update([{ id: "subject", ...REPORTS[status] }]),
  };
  async function walk(path) {
    for (const part of path.split(/\s+/)) {
      const [, step, argument, state] = /^([a-z:-]+?)(?:\((\w+)\))?(?:=(\w+))?$/.exec(part);
      const effect = steps[step](argument);
      if (effect) await effect; // and no other: "waiting" lasts for a microtask
      if (!state || item.state === state) continue;
      await until(() => item.state === state).catch(() => assert.fail(`${part}: ${item.state}`));
    }
    const transitions = [...queue.transitions];
    queue.items().forEach((each) => queue.cancel(each)); // or their timers would go on
    return transitions;
  }
  return walk;
}

const SENDING = "add announce=sending";
const STORED = `${SENDING} sent complete(queued)=stored`;
const WAY_BACK = [
  "report(queued)=stored", "report(done)=ready", "report(duplicate)=here", "report(rejected)=rejected",
  "report(trashed)=deleted",
];
/** `path` with each of the endings. */
const each = (path, ...endings) => endings.map((ending) => `${path} ${ending}`);

const PATHS = [
  // Chosen, and announced.
  "add:refused=refused retry=announcing",
  ...each("add=waiting", "cancel=cancelled", "close=refused"),
  ...each(
    "add=waiting asks",
    ...["cancel=cancelled", "announce(revoked)=refused", "announce(queued)=stored", "announce(done)=here"],
    ...["announce(rejectedHere)=rejected", "announce(trashedHere)=deleted"],
    ...["announce(discarded)=announcing announce(discarded)=failed"],
  ),
  "others add asks announce(same)=copy",
  "others add asks announce(lost)=paused online announce(same)=copy",
  "others add asks announce(lost)=paused online announce=announced",
  "add:two asks crashes announce=sending",
  ...each(
    "add asks announce(lost)=paused online",
    ...["announce(queued)=stored", "announce(done)=here", "announce(revoked)=refused"],
  ),
  ...each("others add asks announce=announced", "others:one-ends=sending", "cancel=cancelled", "close=refused"),
  `${SENDING} sent crashes=deferred others=announced close=unconfirmed`,
  // Sent.
  ...each(
    SENDING,
    ...["bytes=sending put:lost=paused online=paused bytes=sending", "cancel=cancelled", "close=refused"],
    ...["sent complete(done)=ready", "sent complete(rejected)=rejected", "sent complete(duplicate)=here"],
    ...["sent complete(trashed)=deleted", "sent complete(failed)=failed", "sent complete(gone)=announcing"],
    ...["sent complete(forbidden)=failed", "sent doubts=deferred"],
  ),
  ...each(
    `${SENDING} sent complete(lost)=paused`,
    ...["cancel=cancelled", "close=unconfirmed", "online complete(lost)=paused"],
    ...["online complete(queued)=stored", "online complete(done)=ready", "online complete(rejected)=rejected"],
    ...["online complete(duplicate)=here", "online complete(trashed)=deleted", "online complete(gone)=announcing"],
    ...["online complete(failed)=failed", "crashes=deferred"],
  ),
  `${SENDING} put:lost=paused close=refused`,
  // Deferred.
  ...each("add asks crashes=deferred", "online=announcing", "close=refused", "cancel=cancelled"),
  ...each(
    `${SENDING} sent crashes=deferred`,
    ...["online=sending complete(revoked)=unconfirmed", "close=unconfirmed", ...WAY_BACK],
  ),
  // Settled, until the receipt or the guest says otherwise.
  ...each(STORED, ...WAY_BACK, "report(failed)=failed", "report(discarded)=announcing"),
  `${STORED} close(full)=stored report(discarded)=refused`,
  ...each(`${STORED} report(done)=ready`, "report(rejected)=rejected", "report(trashed)=deleted"),
  ...each(`${STORED} report(rejected)=rejected`, ...WAY_BACK, "report(failed)=failed"),
  ...each(`${STORED} report(duplicate)=here`, "report(rejected)=rejected", "report(trashed)=deleted"),
  ...each(`${STORED} report(trashed)=deleted`, ...WAY_BACK, "report(failed)=failed"),
  ...each(`${SENDING} close=refused`, ...WAY_BACK),
  ...each(`${STORED} report(failed)=failed`, ...WAY_BACK, "retry=announcing"),
  ...each(`${SENDING} sent complete(lost)=paused close=unconfirmed`, ...WAY_BACK),
  ...each(`${SENDING} cancel=cancelled`, ...WAY_BACK, "delete(late)=stored", "retry=announcing"),
];

const seen = new Set();

for (const path of PATHS) {
  test(path, async () => {
    for (const transition of await makeWalk()(path)) seen.add(transition);
  });
}

test("every transition of the table was made, and every state was reached", () => {
  const listed = Object.entries(TRANSITIONS).flatMap(([state, events]) =>
    Object.keys(events).map((event) => `${state} ${event}`),
  );
  assert.deepEqual(listed.filter((transition) => !seen.has(transition)), []);
  const reached = new Set(["chosen", ...Object.values(TRANSITIONS).flatMap(Object.values)]);
  assert.deepEqual([...reached].sort(), Object.keys(TRANSITIONS).sort());
});

test("an impossible event is reported, and changes nothing", () => {
  const events = new Set(Object.values(TRANSITIONS).flatMap(Object.keys));
  const queue = new UploadQueue({ onChange: () => assert.fail("changed") });
  for (const [state, possible] of Object.entries(TRANSITIONS)) {
    for (const event of events) {
      if (event in possible) continue;
      const error = mock.method(console, "error", () => {});
      const item = { state };
      queue.apply(item, event, { bytes: 1 });
      assert.equal(error.mock.calls[0].arguments[0].message, `Impossible event "${event}" in state "${state}"`);
      assert.deepEqual(item, { state });
      error.mock.restore();
    }
  }
});

test("nothing counts as arrived that is not settled", () => {
  assert.ok([...ARRIVED].every(isSettled));
  for (const state of ["waiting", "sending", "paused", "deferred"]) assert.ok(!isSettled(state));
});

test("every status of the server is a state, and an unknown one is unfinished", () => {
  const statuses = ["queued", "processing", "done", "duplicate", "failed", "pending", "new"];
  assert.deepEqual(
    statuses.map((status) => stateOf({ status })),
    ["stored", "stored", "ready", "here", "failed", "interrupted", "interrupted"],
  );
});

test("files with another name, size or time are different", () => {
  const keys = new Set([keyOf("a", 1, 2), keyOf("b", 1, 2), keyOf("a", 2, 2), keyOf("a", 1, 3)]);
  assert.equal(keys.size, 4);
});
