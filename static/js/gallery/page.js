/* The gallery of a group, as members see it. */

import { makeLightbox } from "./lightbox.js";

const grid = document.getElementById("grid");
if (grid) makeLightbox(grid);
