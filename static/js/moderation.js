/* The page on which a host decides about photos: by keys, by ticking many, or one by one, large. */

import { makeCounts } from "./desk/counts.js";
import { Decisions } from "./desk/decisions.js";
import { moveByArrows } from "./desk/grid_keys.js";
import { makeSelection } from "./desk/selection.js";
import { connect } from "./upload/api.js";
import { t } from "./upload/messages.js";

const LINK = ".pick-photo";
const byId = (id) => document.getElementById(id);
const form = byId("picks");
if (form) start();

function start() {
  const grid = byId("grid");
  const large = byId("large");
  const reasons = byId("reason");
  const items = () => [...grid.children];
  const known = new Map(items().map((item) => [item.dataset.id, item]));
  const order = items();
  const decisions = new Decisions(connect({ root: "/api/v1/" }), {
    state: form.dataset.state,
    reasonOf: (id) => known.get(id).dataset.reason,
  });
  const selection = makeSelection(form, (count) => {
    if (count) show(t("selected", { count }));
  });
  const showCounts = makeCounts();
  let shown = null; // in the large view

  // --- Deciding -----------------------------------------------------------------------------

  async function decide(chosen, action, reason) {
    if (!chosen.length) return show(t("tickFirst"));
    complain("");
    const wasLarge = large.open;
    const next = neighbour(chosen);
    remove(chosen);
    if (wasLarge) showLarge(next);
    else focus(next);
    try {
      const others = await decisions.decide(chosen.map(({ dataset }) => dataset.id), action, reason);
      const count = chosen.length - others.length;
      say(count && t(`done:${action}`, { count }), others.length && t("decidedMeanwhile", { count: others.length }));
    } catch (problem) {
      putBack(chosen);
      complain(t("notDone", { why: problem.message }));
    }
    update();
  }

  async function reject(chosen) {
    if (!chosen.length) return show(t("tickFirst"));
    reasons.returnValue = "";
    reasons.showModal();
    reasons.onclose = () => {
      const { reason, own_reason: own } = reasons.querySelector("form").elements;
      if (reasons.returnValue !== "reject") return;
      decide(chosen, "reject", own.value.trim() || reason.value);
      own.value = "";
    };
  }

  async function undo() {
    complain("");
    try {
      const undone = await decisions.undo();
      if (!undone) return say(t("nothingToUndo"));
      const back = undone.ids.map((id) => known.get(id));
      putBack(back);
      if (back.length) large.open ? showLarge(back[0]) : focus(back[0]);
      const { length: count } = undone.others;
      say(back.length && t("undone", { count: back.length }), count && t("decidedMeanwhile", { count }));
    } catch (problem) {
      complain(problem.message);
    }
    update();
  }

  /** The photo in hand: the large one, those that are ticked, or that with the focus. */
  function inHand() {
    if (large.open) return shown ? [shown] : [];
    const ticked = selection.items();
    const focused = document.activeElement.closest?.(".pick");
    return ticked.length ? ticked : [focused].filter(Boolean);
  }

  // --- The grid -----------------------------------------------------------------------------

  function neighbour(chosen) {
    const all = items();
    const after = all.slice(all.indexOf(chosen.at(-1)) + 1).find((item) => !chosen.includes(item));
    return after ?? all.filter((item) => !chosen.includes(item)).at(-1) ?? null;
  }

  function remove(chosen) {
    for (const item of chosen) {
      item.querySelector("input").checked = false;
      item.remove();
    }
    selection.changed();
    update();
  }

  function putBack(chosen) {
    for (const item of chosen) {
      const after = order.slice(order.indexOf(item) + 1).find((each) => each.isConnected);
      grid.insertBefore(item, after ?? null);
    }
    update();
  }

  function focus(item) {
    (item?.querySelector(LINK) ?? byId("all-done").querySelector("a")).focus();
  }

  function update() {
    byId("all-done").hidden = items().length > 0;
    for (const button of document.querySelectorAll("[data-do]")) {
      const { length } = button.dataset.do === "undo" ? decisions.done : items();
      button.disabled = !length;
    }
    showCounts({ gone: order.length - items().length, done: decisions.done });
  }

  // --- The large view -----------------------------------------------------------------------

  function showLarge(item) {
    shown = item;
    if (!item) return large.close();
    const link = item.querySelector(LINK);
    const small = link.querySelector("img");
    const picture = large.querySelector("img");
    picture.alt = small.alt;
    picture.src = small.currentSrc || small.src;
    picture.srcset = link.dataset.srcset;
    picture.sizes = "100vw";
    const all = items();
    const place = t("photoOf", { place: all.indexOf(item) + 1, total: all.length });
    byId("large-name").textContent = `${place} · ${small.alt}`;
    if (!large.open) large.showModal();
  }

  function step(by) {
    const all = items();
    const next = all[all.indexOf(shown) + by];
    if (next) showLarge(next);
  }

  large.addEventListener("close", () => {
    if (reasons.open) return;
    focus(shown ?? items()[0]);
    shown = null;
  });
  byId("close").addEventListener("click", () => large.close());

  // --- Buttons and keys ---------------------------------------------------------------------

  const actions = {
    all: () => selection.toggleAll(),
    approve: () => decide(inHand(), "approve"),
    wait: () => decide(inHand(), "wait"),
    reject: () => reject(inHand()),
    undo,
    next: () => step(1),
    previous: () => step(-1),
  };
  for (const button of document.querySelectorAll("[data-do]")) {
    button.hidden = false;
    button.addEventListener("click", (event) => {
      event.preventDefault();
      actions[button.dataset.do]();
    });
  }
  byId("plain-reason").remove();
  form.querySelector(".keys").hidden = matchMedia("(pointer: coarse)").matches;

  const offered = (name) => form.querySelector(`[data-do=${name}]`) !== null;
  const KEYS = { a: "approve", r: "reject", u: "undo", w: "wait" };

  /** Single letters, so they work only where the focus is on a photo, or in the large view. */
  function onKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const key = event.key.toLowerCase();
    const item = event.target.closest(".pick");
    if (KEYS[key] && offered(KEYS[key])) actions[KEYS[key]]();
    else if (key === "x" && item) item.querySelector("input").click();
    else if (key === "n" && large.open) step(1);
    else if (key === "n" && item) item.nextElementSibling?.querySelector(LINK).focus();
    else if (large.open && key === "arrowright") step(1);
    else if (large.open && key === "arrowleft") step(-1);
    else return;
    event.preventDefault();
  }
  grid.addEventListener("keydown", onKey);
  large.addEventListener("keydown", onKey);
  grid.addEventListener("click", (event) => {
    const link = event.target.closest(LINK);
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (event.shiftKey) {
      const box = link.parentElement.querySelector("input");
      box.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, shiftKey: true }));
    } else showLarge(link.parentElement);
  });
  moveByArrows(grid, LINK);

  // --- What is said -------------------------------------------------------------------------

  function say(...sentences) {
    show([...sentences.filter(Boolean), t("left", { count: items().length })].join(" "));
  }

  /** In both bars: behind the large view nothing is read out. */
  function show(text) {
    for (const place of document.querySelectorAll("[data-said]")) place.textContent = text;
  }

  function complain(text) {
    byId("complaint").textContent = text;
    byId("complaint").hidden = !text;
  }
}
