/* The page that messages.js expects, with its messages from the variable MESSAGES (see test_js.py). */

const elements = { messages: { textContent: process.env.MESSAGES } };

globalThis.document = Object.assign(new EventTarget(), {
  documentElement: { lang: "en" },
  getElementById: (id) => elements[id] ?? null,
});
globalThis.navigator ??= { onLine: true }; // Node has one from version 21 on
