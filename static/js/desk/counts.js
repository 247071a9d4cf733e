/* Keeps the numbers of the filters and of the tab true while photos are decided. */

const FILTERS = { approve: "approved", reject: "rejected", wait: "waiting" };

/** Returns what shows the counts, given how many photos have left the page and what was decided. */
export function makeCounts() {
  const links = [...document.querySelectorAll(".filters a")];
  const filterOf = (link) => new URL(link.href).searchParams.get("show");
  const current = filterOf(links.find((link) => link.hasAttribute("aria-current")));
  const before = new Map(links.map((link) => [link, numberIn(link)]));
  const tab = document.querySelector('.tabs [aria-current="page"]');
  const inTab = numberIn(tab);

  return ({ gone, done }) => {
    const added = { approved: 0, rejected: 0, waiting: 0 };
    for (const { ids, action } of done) added[FILTERS[action]] += ids.length;
    added[current] = -gone;
    for (const link of links) write(link, before.get(link) + added[filterOf(link)]);
    write(tab, inTab + added.waiting);
    badgeOf(tab).hidden = inTab + added.waiting <= 0;
  };
}

function badgeOf(link) {
  const badge = link.querySelector(".badge") ?? document.createElement("span");
  badge.className = "badge";
  if (!badge.isConnected) link.append(" ", badge);
  return badge;
}

const numberIn = (link) => Number(link.querySelector(".badge")?.textContent ?? 0);
const write = (link, number) => (badgeOf(link).textContent = number);
