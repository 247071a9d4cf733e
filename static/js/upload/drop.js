/* Photos that are dropped or pasted anywhere on the page. */

/** Calls `choose(files)`. While files are dragged over the page, `target` is highlighted. */
export function acceptDrops(target, choose) {
  let depth = 0; // dragenter and dragleave also come from each element on the way
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  const highlight = (newDepth) => {
    depth = Math.max(0, newDepth);
    target.classList.toggle("is-target", depth > 0);
  };
  addEventListener("paste", ({ clipboardData }) => choose([...(clipboardData?.files ?? [])]));
  addEventListener("dragenter", (event) => hasFiles(event) && highlight(depth + 1));
  addEventListener("dragleave", (event) => hasFiles(event) && highlight(depth - 1));
  addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault(); // or the browser would open the photo
    highlight(0);
    choose([...event.dataTransfer.files]);
  });
}
