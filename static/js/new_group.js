/* The form of a new group: says in which time zone the host is, for dates that are read there, and
   what is too much to send before anything is sent. */

const zone = document.querySelector("[name=time_zone]");
if (zone) zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";

const photos = document.querySelector("[name=photos]");
photos?.addEventListener("change", () => {
  const { maxBytes, tooMuch, maxFiles, tooMany } = photos.dataset;
  const bytes = [...photos.files].reduce((sum, { size }) => sum + size, 0);
  let complaint = bytes > Number(maxBytes) ? tooMuch : "";
  if (photos.files.length > Number(maxFiles)) complaint = tooMany;
  photos.setCustomValidity(complaint);
  photos.reportValidity();
});
