/* The lightbox of a grid of photos: PhotoSwipe, an address per photo, and what a tile offers. */

import { t } from "../upload/messages.js";
import { icon } from "./icons.js";
import { freshAddresses } from "./refresh.js";
import { linkOf, pictureOf, tilesOf } from "./tiles.js";

const HASH = /^#photo=([\da-f-]{36})$/;
const linked = () => HASH.exec(location.hash)?.[1];

/**
 * Opens the photos of `grid` large: those of its `li[data-id]`.
 *
 * `buttons` are more of them, beside those for what a tile offers by its data attributes:
 * {name, label, icon, isShown(tile), click(tile, lightbox)}.
 */
export function makeLightbox(grid, { buttons = [] } = {}) {
  let pswp = null;
  const lightbox = { update: () => {}, next: () => pswp && whenOpen(pswp, "next") };
  const tiles = () => tilesOf(grid);
  const tileOf = (id) => tiles().find((tile) => tile.dataset.id === id);

  async function open(tile, { isNew, at } = {}) {
    const { default: PhotoSwipe } = await import("photoswipe").catch(() => ({}));
    if (pswp) return;
    if (!PhotoSwipe) return location.assign(linkOf(tile).href);
    if (isNew) history.pushState({ isLightbox: true }, "", hashOf(tile));
    pswp = new PhotoSwipe({ ...options(), dataSource: tiles().map(slide), index: tiles().indexOf(tile), initialPointerPos: at });
    pswp.on("uiRegister", () => registerParts(pswp, { buttons, lightbox }));
    pswp.on("change", () => history.replaceState(history.state, "", hashOf(pswp.currSlide.data.tile)));
    pswp.on("loadError", ({ content }) => loadAgain(pswp, content));
    pswp.on("close", forgetAddress);
    // While it opens, it cannot be closed, and Back may be quicker.
    pswp.on("openingAnimationEnd", () => linked() || pswp.close());
    document.addEventListener("keydown", onKey);
    pswp.on("destroy", () => {
      const last = linkOf(pswp.currSlide.data.tile);
      pswp = null;
      document.removeEventListener("keydown", onKey);
      last.scrollIntoView({ block: "nearest" });
      last.focus({ preventScroll: true });
    });
    pswp.init();
    pswp.element.setAttribute("aria-modal", "true");
    pswp.element.setAttribute("aria-label", t("lightbox"));
  }

  /** PhotoSwipe listens once it has opened, and keys may be quicker. */
  function onKey({ key, ctrlKey, metaKey, shiftKey, altKey }) {
    if (key === "Escape") whenOpen(pswp, "close");
    if (!pswp.opener.isOpening || ctrlKey || metaKey || shiftKey || altKey) return;
    if (key === "ArrowRight") whenOpen(pswp, "next");
    if (key === "ArrowLeft") whenOpen(pswp, "prev");
  }

  /** Back has removed it already; else the entry that opening made goes, too. */
  function forgetAddress() {
    if (!linked()) return;
    if (history.state?.isLightbox) history.back();
    else history.replaceState(null, "", location.pathname + location.search);
  }

  function follow() {
    const tile = tileOf(linked());
    if (tile && !pswp) open(tile);
    else if (tile) pswp.goTo(pswp.options.dataSource.findIndex((each) => each.tile === tile));
    else if (linked()) openPage(linked());
    else if (pswp) whenOpen(pswp, "close");
  }

  /** The photo is on another page of the gallery. */
  function openPage(id) {
    const [first] = tiles();
    if (first) location.replace(linkOf(first).href.replace(first.dataset.id, id));
  }

  grid.addEventListener("click", (event) => {
    const link = event.target.closest("li[data-id] > a");
    const isOurs = link && !event.defaultPrevented && !event.button;
    if (!isOurs || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    // A key clicks, too, without a place.
    const at = event.detail ? { x: event.clientX, y: event.clientY } : undefined;
    open(link.parentElement, { isNew: true, at });
  });
  addEventListener("popstate", follow);
  if (linked()) follow();
  grid.dataset.lightbox = "ready";
  return lightbox;
}

/** PhotoSwipe neither closes nor moves before it has opened. */
function whenOpen(pswp, action) {
  if (pswp.opener.isOpen) pswp[action]();
  else pswp.on("openingAnimationEnd", () => pswp[action]());
}

const hashOf = (tile) => `#photo=${tile.dataset.id}`;

function options() {
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  return {
    bgOpacity: 1,
    loop: false,
    preload: [1, 2],
    escKey: false, // see whenOpen()
    returnFocus: false, // to the photo that was shown last
    showHideAnimationType: isCalm ? "none" : "zoom",
    zoomAnimationDuration: isCalm ? 0 : 250,
    indexIndicatorSep: " / ",
    closeTitle: t("close"),
    zoomTitle: t("zoom"),
    arrowPrevTitle: t("newer"),
    arrowNextTitle: t("older"),
    errorMsg: t("notLoaded"),
  };
}

function slide(tile) {
  const picture = pictureOf(tile);
  const { full, width, height } = tile.dataset;
  const largestOfTile = picture.srcset.split(", ").at(-1); // enough for a small screen
  return {
    tile,
    element: linkOf(tile),
    src: full,
    srcset: `${largestOfTile}, ${full} ${width}w`,
    msrc: picture.currentSrc || picture.src,
    width: Number(width),
    height: Number(height),
    alt: picture.alt,
    thumbCropped: true,
  };
}

/** The page may be older than the addresses it names. */
async function loadAgain(pswp, { index, data }) {
  if (data.isSecondTry || !(await freshAddresses()) || pswp.isDestroying) return;
  pswp.options.dataSource[index] = { ...slide(data.tile), isSecondTry: true };
  pswp.refreshSlideContent(index);
}

function registerParts(pswp, { buttons, lightbox }) {
  const updates = [];
  const add = (part, update) => {
    const onInit = (element) => updates.push((tile) => update(element, tile));
    pswp.ui.registerElement({ ...part, onInit });
  };
  for (const [name, order] of [["page", 8], ["download", 9], ["removal", 9]]) {
    const part = { name, order, isButton: true, tagName: "a", html: icon(name), title: t(name) };
    add(part, (link, tile) => {
      link.href = (name === "page" ? linkOf(tile).href : tile.dataset[name]) ?? "";
      link.hidden = !link.getAttribute("href");
      link.toggleAttribute("download", name === "download");
    });
  }
  for (const { name, label, click, isShown } of buttons) {
    const onClick = () => click(pswp.currSlide.data.tile, lightbox);
    const part = { name, order: 10, isButton: true, html: icon(name), title: label, onClick };
    add(part, (button, tile) => (button.hidden = !isShown(tile)));
  }
  add({ name: "caption", className: "lightbox-caption", appendTo: "root" }, showCaption);
  add({ name: "spoken", className: "visually-hidden", appendTo: "root" }, (spoken) => {
    const { alt } = pswp.currSlide.data;
    const place = t("photoOf", { place: pswp.currIndex + 1, total: pswp.getNumItems() });
    spoken.setAttribute("role", "status");
    spoken.textContent = `${place}: ${alt}`;
  });
  // Closed, it shows nothing any more.
  lightbox.update = () =>
    pswp.currSlide && updates.forEach((update) => update(pswp.currSlide.data.tile));
  pswp.on("change", lightbox.update);
}

function showCaption(element, { dataset: { caption, credit, taken, gone } }) {
  const paragraph = (text, name) => {
    const made = document.createElement("p");
    made.className = name;
    made.dir = "auto";
    made.textContent = text;
    return made;
  };
  const about = [credit && t("by", { name: credit }), taken].filter(Boolean).join(" · ");
  const lines = [
    gone && paragraph(t(`gone:${gone}`), "lightbox-said"),
    caption && paragraph(caption, "lightbox-words"),
    about && paragraph(about, "lightbox-about"),
  ];
  element.replaceChildren(...lines.filter(Boolean));
  element.hidden = !element.childElementCount;
}
