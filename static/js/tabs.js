/* The tab of this page is in sight, also where the tabs are wider than a phone. */

const tabs = document.querySelector(".tabs");
const here = tabs?.querySelector("[aria-current]");

if (here) tabs.scrollLeft = here.offsetLeft - tabs.offsetLeft - (tabs.clientWidth - here.offsetWidth) / 2;
