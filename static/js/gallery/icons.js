/* The icons of the lightbox's buttons, 32 units wide. */

const PATHS = {
  page: "M16 6a10 10 0 1 0 0 20 10 10 0 0 0 0-20Zm-1.25 4.5h2.5V13h-2.5Zm0 4h2.5v7h-2.5Z",
  download: "M14.75 6h2.5v9.6l3.5-3.5 1.75 1.75L16 20.4l-6.5-6.55 1.75-1.75 3.5 3.5ZM8 23h16v2.5H8Z",
  removal: "M8 6h2.5v1.5H24l-3 5 3 5H10.5V26H8Z",
  approve: "M13 22.3 6.9 16.2l1.9-1.9 4.2 4.2L23.2 8.3l1.9 1.9Z",
  undo: "M13 8v4.5c7 0 11 3.5 12 11-2.5-4-6-5.7-12-5.7v4.7L5.5 15.2Z",
  trash: "M13 6h6l1 1.5h5V10H7V7.5h5ZM8.5 11.5h15L22.3 26H9.7Z",
};

/** Returns the markup of an icon, as PhotoSwipe takes it. */
export const icon = (name) =>
  `<svg class="pswp__icn" viewBox="0 0 32 32" width="32" height="32" aria-hidden="true"><path d="${PATHS[name]}"/></svg>`;
