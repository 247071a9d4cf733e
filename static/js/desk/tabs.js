/* On a phone the tabs are one line to scroll: the one of this page is visible from the start. */

const tabs = document.querySelector("#tabs ul");
const current = tabs?.querySelector("[aria-current]");
if (current) {
  const [line, tab] = [tabs, current].map((each) => each.getBoundingClientRect());
  tabs.scrollLeft += tab.left + tab.width / 2 - (line.left + line.width / 2);
}
