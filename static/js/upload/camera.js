/* The button that takes one photo with the phone's camera. */

/** Shows the button. It opens the file input `input`, which offers the camera for this one time. */
export function useCamera(input) {
  const button = document.getElementById("camera");
  let isForCamera = false;
  button.addEventListener("click", () => {
    isForCamera = true;
    input.click();
  });
  input.addEventListener("click", () => {
    // The browser reads these attributes after this event.
    if (isForCamera) input.setAttribute("capture", "environment");
    else input.removeAttribute("capture");
    input.multiple = !isForCamera;
    isForCamera = false;
  });
  button.hidden = false;
}
