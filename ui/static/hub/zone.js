// Tells the server in which zone this browser reads times. Over sites in many zones one clock counts: the
// reader's own.

const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
const drawnIn = document.documentElement.dataset.timeZone; // none where nobody is signed in

if (timeZone) document.cookie = `zone=${timeZone}; path=/; max-age=31536000; samesite=lax`;
if (timeZone && drawnIn && drawnIn !== timeZone && sessionStorage.getItem("zone") !== timeZone) {
  sessionStorage.setItem("zone", timeZone); // once: a zone that the server does not know stays UTC, and says so
  location.reload();
}
