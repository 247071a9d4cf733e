/* The form of a new group: says in which time zone the host is, for dates that are read there. */

const zone = document.querySelector("[name=time_zone]");
if (zone) zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
