// One camera as a card: what it is, its two streams beside each other, what is wrong, and what to do about it.

import { sentence } from "../forms.js";
import { element } from "../nodes.js";

const CODECS = { h264: "H.264", h265: "H.265", mjpeg: "MJPEG", mpeg4: "MPEG-4" };
const rate = (bps) => (bps >= 1e6 ? `${(bps / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bps / 1000)} kbit/s`);

/** [what, value] of a stream; what the camera does not say is a dash. */
function facts(stream) {
  return [
    ["Picture", stream.width ? `${stream.width}×${stream.height}` : "–"],
    ["Codec", CODECS[stream.codec] ?? "–"],
    ["Frames", stream.fps ? `${Math.round(stream.fps * 10) / 10}/s` : "–"],
    ["Rate", stream.bitrate_bps ? rate(stream.bitrate_bps) : "–"],
    ["Key frame each", stream.key_frame_interval_s ? `${Math.round(stream.key_frame_interval_s * 10) / 10} s` : "–"],
  ];
}

function table(streams) {
  const [main, sub] = streams;
  const head = element("tr", "", element("td", ""), element("th", "", "Main"), element("th", "", "Sub"));
  const subs = sub ? facts(sub) : facts({});
  const rows = facts(main).map(([what, value], i) => element("tr", "", element("th", "", what), element("td", "", value), element("td", "", sub ? subs[i][1] : i ? "" : "none")));
  const found = element("table", "streams", element("thead", "", head), element("tbody", "", ...rows));
  for (const th of found.querySelectorAll("thead th")) th.scope = "col";
  for (const th of found.querySelectorAll("tbody th")) th.scope = "row";
  return found;
}

const REFUSED = "wrong_password";
export const refuses = (camera) => camera.findings.some((finding) => finding.code === REFUSED);

function findings(camera, mended) {
  const list = element("ul", "findings");
  for (const done of mended) {
    const row = element("li", "", sentence(done.text));
    row.dataset.kind = done.ok ? "good" : "bad";
    list.append(row);
  }
  for (const finding of camera.findings) {
    if (refuses(camera) && finding.code !== REFUSED) continue; // once it lets us in, that will be seen again
    const row = element("li", "", sentence(finding.text));
    row.dataset.kind = camera.usable ? "warning" : "bad";
    row.dataset.code = finding.code;
    if (finding.hint) row.append(element("span", "fine", sentence(finding.hint)));
    list.append(row);
  }
  return list;
}

function button(text, label, work) {
  const made = element("button", "button", text, element("span", "hidden", ` ${label}`));
  made.type = "button";
  made.addEventListener("click", async () => {
    if (made.getAttribute("aria-busy")) return;
    made.setAttribute("aria-busy", "true");
    try { await work(); } finally { made.removeAttribute("aria-busy"); }
  });
  return made;
}

/**
 * A row of the list. `row`: {seen, camera (null: not asked yet), known (of the box, or null), chosen, name,
 * mended, busy, picture}; `act`: {setRight(row), another(row, username, password), remove(row), changed()}.
 */
export function draw(row, act) {
  const { camera, seen, known } = row;
  const label = row.name || seen.address;
  const tick = element("input", "");
  tick.type = "checkbox";
  tick.checked = Boolean(known) || row.chosen;
  tick.disabled = Boolean(known) || !camera?.usable;
  tick.addEventListener("change", () => { row.chosen = tick.checked; act.changed(); });
  const box = element("label", "check tick", tick, element("span", "hidden", `Add ${label}`));
  const what = [camera?.maker || seen.maker, camera?.model || seen.model].filter(Boolean).join(" ");
  const head = element("div", "camera-head", box, element("div", "grow", title(row, act), element("span", "fine", [what, seen.address].filter(Boolean).join(" · "))), state(row));
  const made = element("li", "card camera", head);
  made.dataset.address = seen.address;
  made.dataset.state = state(row).dataset.state;
  if (camera?.streams.length) made.append(element("div", "camera-look", picture(row, label), table(camera.streams)));
  if (camera && (camera.findings.length || row.mended.length)) made.append(findings(camera, row.mended));
  const actions = element("div", "actions");
  if (camera?.findings.some((finding) => finding.mendable) && !refuses(camera)) actions.append(button("Set it right", label, () => act.setRight(row)));
  if (row.typed && !camera?.usable) actions.append(button("Remove", label, () => act.remove(row)));
  if (actions.children.length) made.append(actions);
  if (camera && refuses(camera)) made.append(another(row, label, act));
  return made;
}

function title(row, act) {
  if (row.known || !row.camera?.usable) return element("strong", "", row.known?.name ?? row.name);
  const input = Object.assign(element("input", "camera-name"), { value: row.name, maxLength: 60, autocomplete: "off" });
  input.setAttribute("aria-label", `Name of ${row.seen.address}`);
  input.addEventListener("input", () => { row.name = input.value; });
  input.addEventListener("change", () => act.changed());
  return input;
}

function state({ camera, known, busy, chosen }) {
  const [name, text] = busy ? ["busy", busy]
    : known ? [known.status.state === "recording" ? "known" : "bad", known.status.state === "recording" ? "Records" : "In the box"]
      : !camera ? ["waiting", "Waits"]
        : camera.right ? ["right", "Right"]
          : camera.usable ? ["findings", chosen ? "Chosen" : camera.findings.length === 1 ? "1 finding" : `${camera.findings.length} findings`]
            : refuses(camera) ? ["bad", "Password refused"] : ["bad", "Cannot be used"];
  const chip = element("span", "chip", text);
  chip.dataset.state = name;
  return chip;
}

function picture(row, label) {
  const frame = element("div", "still");
  if (row.picture) frame.append(Object.assign(element("img", ""), { src: row.picture, alt: `What ${label} sees now` }));
  else frame.append(element("span", "fine", row.camera.has_picture && row.picture === undefined ? "…" : "Picture once it records"));
  return frame;
}

function another(row, label, act) {
  const user = Object.assign(element("input", ""), { value: row.username ?? "admin", autocomplete: "off", autocapitalize: "none", spellcheck: false });
  const password = Object.assign(element("input", ""), { type: "password", autocomplete: "new-password" });
  const fields = element("div", "pair", element("label", "field", "User name", user), element("label", "field", "Password", password));
  const go = button("Try this one", label, () => act.another(row, user.value.trim(), password.value));
  return element("details", "more", element("summary", "", "Another password", element("span", "hidden", ` for ${label}`)), element("div", "form down", fields, go));
}
