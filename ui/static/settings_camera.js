// Adding, changing, testing and removing one camera.

import { get, post, put, remove } from "./api.js";
import { onSend, problem, sentence } from "./forms.js";
import { complain } from "./shell.js";

const form = document.querySelector("#camera-form");
const id = form.dataset.camera;
const report = document.querySelector("#report");

function body(fields, before) {
  const text = (name) => fields.get(name).trim();
  const wanted = {
    name: text("name"),
    rtsp_url: text("rtsp_url"),
    sub_url: text("sub_url") || null,
    record: { mode: fields.get("mode") },
    retention_days: text("retention_days") ? Number(text("retention_days")) : null,
    enabled: fields.has("enabled"),
    detect: { ...before?.detect, enabled: fields.has("detect") },
  };
  // Left out means kept; an address may also hold user and password, which the box splits out.
  if (text("username")) wanted.username = text("username");
  else if (before?.username) wanted.username = null;
  if (fields.get("password")) wanted.password = fields.get("password");
  return wanted;
}

// What the camera was asked with last: nobody finds out only from the wall that an address is wrong.
const asked = (fields) => JSON.stringify(["rtsp_url", "username", "password"].map((name) => fields.get(name).trim()));
let known = id ? asked(new FormData(form)) : "";
const send = form.querySelector("[type=submit]");
form.addEventListener("input", () => { send.textContent = id ? "Save" : "Add the camera"; });

onSend(form, async (fields) => {
  if (fields.has("enabled") && asked(fields) !== known && !(await test(fields))) {
    send.textContent = id ? "Save it all the same" : "Add it all the same";
    report.scrollIntoView({ block: "nearest" });
    return;
  }
  const before = id ? (await get(`/cameras/${id}`)).camera : null;
  if (id) await put(`/cameras/${id}`, body(fields, before));
  else await post("/cameras", body(fields, null));
  location.assign("/settings");
});

/** True where the camera answers and nothing is to be said of it. Throws what is wrong with a field. */
async function test(fields) {
  known = asked(fields);
  const wanted = { rtsp_url: fields.get("rtsp_url").trim() };
  if (id) wanted.camera_id = id;
  if (fields.get("username").trim()) wanted.username = fields.get("username").trim();
  if (fields.get("password")) wanted.password = fields.get("password");
  show("", "Asking the camera…", []);
  try {
    const found = await post("/cameras/test", wanted);
    const facts = [
      found.codec && `${found.codec.toUpperCase()} ${found.width} × ${found.height}`,
      found.fps && `${found.fps.toFixed(1)} frames a second`,
      found.key_frame_interval_s && `a key frame every ${found.key_frame_interval_s.toFixed(1)} s`,
      typeof found.clock_skew_s === "number" && Math.abs(found.clock_skew_s) > 1 && `its clock is ${Math.abs(found.clock_skew_s).toFixed(0)} s ${found.clock_skew_s > 0 ? "fast" : "slow"}`,
    ].filter(Boolean);
    const hints = found.hints ?? [];
    show("good", `The camera answers: ${facts.join(", ")}.`, hints);
    return hints.length === 0;
  } catch (error) {
    if (error.field) { // what was typed is no address: that belongs beside it
      report.hidden = true;
      throw error;
    }
    show("bad", sentence(error.message), error.hint ? [error.hint] : []);
    return false;
  }
}

document.querySelector("#test").addEventListener("click", async ({ currentTarget: button }) => {
  problem(form, null);
  if (!form.elements.rtsp_url.value.trim()) { form.elements.rtsp_url.focus(); return; }
  button.setAttribute("aria-busy", "true");
  try { await test(new FormData(form)); } catch (error) { problem(form, error); }
  button.removeAttribute("aria-busy");
});

function show(kind, text, hints) {
  report.hidden = false;
  report.dataset.kind = kind;
  report.replaceChildren(Object.assign(document.createElement("p"), { textContent: text }));
  if (hints.length) {
    const list = document.createElement("ul");
    list.append(...hints.map((hint) => Object.assign(document.createElement("li"), { textContent: sentence(hint) })));
    report.append(list);
  }
}

const sure = document.querySelector("#sure");
const asking = document.querySelector("#remove");
asking?.addEventListener("click", () => sure.showModal());
if (asking) asking.disabled = false; // a click before this line would be lost
document.querySelector("#keep")?.addEventListener("click", () => sure.close());
document.querySelector("#remove-now")?.addEventListener("click", async () => {
  try {
    await remove(`/cameras/${id}`);
    location.assign("/settings");
  } catch (error) {
    sure.close();
    complain(error);
  }
});
