import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { announce } from "../../../static/js/upload/announce.js";
import { connect } from "../../../static/js/upload/api.js";
import { readPages } from "../../../static/js/upload/group_receipt.js";

const { fetch } = globalThis;
const asked = [];
let answers;

beforeEach(() => {
  asked.length = 0;
  globalThis.document = { cookie: "other=1; csrftoken=first" };
  globalThis.fetch = async (url, options) => {
    asked.push({ url, ...options });
    const headers = { "Content-Type": "application/json" };
    return new Response(JSON.stringify(answers.shift()), { headers });
  };
});
afterEach(() => (globalThis.fetch = fetch));

const member = () => connect({ root: "/api/", group: "G" });

test("a member is known by the session, and by the CSRF token of the moment", async () => {
  answers = [{}, {}];
  const api = member();
  await api.post("x/");
  globalThis.document.cookie = "csrftoken=second"; // signed in anew in another tab
  await api.post("x/");
  assert.deepEqual(asked.map(({ credentials }) => credentials), ["same-origin", "same-origin"]);
  assert.deepEqual(asked.map(({ headers }) => headers["X-CSRFToken"]), ["first", "second"]);
  assert.equal(asked[0].headers.Authorization, undefined);
});

test("an announcement of a member names the group", async () => {
  answers = [{ uploads: [{ id: "1" }] }];
  const file = new File(["x"], "a.jpg", { type: "image/jpeg", lastModified: 7 });
  await announce({ api: member(), items: [{ file, clientId: "1" }], uploaderName: "" });
  assert.equal(JSON.parse(asked[0].body).group, "G");
});

test("the receipt of a member is read page by page, and dated by the first", async () => {
  const next = "https://x/api/uploads/?group=G&limit=200&cursor=C";
  answers = [
    { results: [{ id: "2" }], next, next_updated_since: "early" },
    { results: [{ id: "1" }], next: null, next_updated_since: "late" },
  ];
  const { results, next_updated_since: since } = await readPages(member(), "?updated_since=S");
  assert.deepEqual(results.map(({ id }) => id), ["2", "1"]);
  assert.equal(since, "early");
  assert.deepEqual(asked.map(({ url }) => url), [
    "/api/uploads/?group=G&limit=200&updated_since=S",
    "/api/uploads/?group=G&limit=200&cursor=C",
  ]);
});

test("a receipt without end is read no further than a guest's", async () => {
  answers = Array.from({ length: 9 }, () => ({ results: [{}], next: "https://x/?cursor=C" }));
  assert.equal((await readPages(member(), "")).results.length, 5);
});
