/* Photos that are dropped or pasted anywhere on the page. */

/** `choose` is given the files; `target` is lit up while some are held over the page. */
export function takeDropped(target, choose) {
  let depth = 0; // dragenter and dragleave also come from every element passed over
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  const highlight = (change) => {
    depth = Math.max(0, change);
    target.classList.toggle("is-target", depth > 0);
  };
  addEventListener("paste", ({ clipboardData }) => choose([...(clipboardData?.files ?? [])]));
  addEventListener("dragenter", (event) => hasFiles(event) && highlight(depth + 1));
  addEventListener("dragleave", (event) => hasFiles(event) && highlight(depth - 1));
  addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault(); // or the browser would leave for the dropped photo
    highlight(0);
    choose([...event.dataTransfer.files]);
  });
}
