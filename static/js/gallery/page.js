/* The gallery of a group, as members see it. */

import { showDays } from "../local_days.js";
import { connect } from "../upload/api.js";
import { t } from "../upload/messages.js";
import { askForGroup, makeBar } from "./bar.js";
import { watchBroken } from "./broken.js";
import { makeChanges } from "./changes.js";
import { makeLightbox } from "./lightbox.js";
import { watchNews } from "./news.js";
import { pageNow } from "./refresh.js";
import { makeSelect } from "./select.js";

const byId = (id) => document.getElementById(id);
const grid = byId("grid");
let select = null;
if (grid) start();
if (byId("news")) watchNews(byId("news"), takeNew);

function start() {
  const api = connect({ root: "/api/v1/" });
  const { group } = byId("group").dataset;
  const bar = makeBar({
    all: () => select.tickAll(),
    done: () => select.stop(),
    undo: () => changes.undo(),
    approve: (tiles) => finish(tiles, "approve"),
    reject: (tiles) => finish(tiles, "reject"),
    trash: (tiles) => finish(tiles, "trash"),
    move,
    download,
  });
  const changes = makeChanges({ api, group, say: bar.say, onChange });
  select = makeSelect(grid, bar.show);
  const lightbox = makeLightbox(grid, { buttons: buttons() });
  watchBroken(grid);
  offerSelecting();

  async function finish(tiles, action, more) {
    select.stop();
    await changes.change(tiles, action, more);
    renewCount();
  }

  async function move(tiles) {
    try {
      const to = await askForGroup(api, group);
      if (to) await finish(tiles, "move", { group: to.id, to: to.name });
    } catch (problem) {
      bar.say(t("notDone", { why: problem.message }), false);
    }
  }

  /** Orders a ZIP of them; its page shows how far it is. */
  async function download(tiles) {
    const { url } = document.querySelector("[data-do=download]").dataset;
    const images = tiles.map(({ dataset }) => dataset.id);
    try {
      await api.post(`groups/${group}/archives/`, { what: { images } });
      location.assign(url);
    } catch (problem) {
      bar.say(t("notDone", { why: problem.message }), false);
    }
  }

  function onChange() {
    lightbox.update();
  }

  function buttons() {
    const decide = (name, isShown) => ({
      name,
      label: t(`do:${name}`),
      isShown,
      async click(tile, large) {
        await (name === "undo" ? changes.bringBack([tile]) : changes.change([tile], name));
        if (name === "trash" && tile.dataset.gone) large.next();
        renewCount();
      },
    });
    const isHere = ({ dataset }) => !("gone" in dataset);
    return [
      decide("approve", (tile) => isHere(tile) && "moderation" in tile.dataset),
      decide("trash", (tile) => isHere(tile) && "mayChange" in tile.dataset),
      decide("undo", (tile) => !isHere(tile)),
    ];
  }
}

/** In place of the page that ticks without a script. */
function offerSelecting() {
  const link = byId("select");
  if (link) link.hidden = false; // without a script some can do nothing with it
  link?.addEventListener("click", (event) => {
    event.preventDefault();
    if (select.isOn) select.stop();
    else select.start();
  });
  if (!byId("plain-bar")) return;
  byId("plain-bar").remove();
  select.start();
}

/** Takes the photos from a newer version of this page. */
function takeNew(page) {
  const fresh = page.getElementById("grid");
  if (!fresh || !grid) return location.reload();
  const ticked = new Set(select.ticked().map((tile) => tile.dataset.id));
  grid.replaceChildren(...fresh.children);
  showDays();
  takePart(page, "photo-count");
  takePart(page, "paging");
  select.prepare();
  for (const box of grid.querySelectorAll("input[name=ids]")) box.checked = ticked.has(box.value);
}

function takePart(page, id) {
  const [old, now] = [byId(id), page.getElementById(id)];
  if (old && now) old.replaceWith(now);
}

/** How many photos there are now. What is shown stays if nobody answers. */
async function renewCount() {
  try {
    takePart(await pageNow(), "photo-count");
  } catch {
    // The next page says it.
  }
}
