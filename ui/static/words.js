// Codes -> words for people. Mirrors appliance/web/pages/words.py; a test holds the two together.

const names = JSON.parse(document.body.dataset.names || "{}");

export const STATES = {
  recording: "Recording",
  live: "Live, not recorded",
  connecting: "Connecting",
  offline: "Offline",
  auth_failed: "Password refused",
  disabled: "Switched off",
};

export const CAUSES = {
  camera_offline: "Camera offline",
  auth_failed: "Password refused",
  no_video: "No video from the camera",
  disk_full: "Disk full",
  disk_missing: "Disk missing",
  disk_error: "Disk error",
  clock_jump: "Clock was set",
  box_off: "Box was off",
  restart: "Restart",
  disabled: "Not recording",
  schedule: "Outside the schedule",
  expired: "Deleted by age",
  damaged: "Damaged",
};

const VERBS = { zone_enter: "entered", zone_exit: "left", line_cross: "crossed", intrusion: "intruded into", loitering: "loitered in" };

export function cameraName(id) {
  return (names.cameras?.[id] ?? id) || "This box"; // what it says of itself is of no camera
}

/** "Person entered Loading bay" */
export function eventTitle(event) {
  const who = event.class_name && event.class_name !== "motion" ? capital(event.class_name.replaceAll("_", " ")) : "Something";
  const zone = names.zones?.[event.zone_id];
  const verb = VERBS[event.type];
  if (verb) return `${who} ${verb} ${zone ?? "a zone"}`;
  const what = capital(event.type.replaceAll("_", " "));
  return zone ? `${what} in ${zone}` : what;
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** "analysing at 5 fps; decoding: software, 0.4 ms a frame"; where there is more to look at than the chip can
 * see: "3.2 of 5 fps". A camera of which nothing was decoded yet is not slow: there is nothing of it. */
export function analysing({ fps_wanted, fps_done, decoder, decode_ms }) {
  if (!decoder && !fps_done) return "no picture to analyse";
  const rate = fps_done < 0.95 * fps_wanted ? `analysing at ${fps_done.toFixed(1)} of ${fps_wanted} fps` : `analysing at ${fps_wanted} fps`;
  return decoder ? `${rate}; decoding: ${decoder}, ${decode_ms.toFixed(1)} ms a frame` : rate;
}
