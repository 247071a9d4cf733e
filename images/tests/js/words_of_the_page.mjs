/* What words.js finds in the page, from the variable WORDS (test_js.py sets it). */

const elements = { words: { textContent: process.env.WORDS } };

globalThis.document = Object.assign(new EventTarget(), {
  documentElement: { lang: "en" },
  getElementById: (id) => elements[id] ?? null,
});
globalThis.navigator ??= { onLine: true }; // Node has one from version 21 on
