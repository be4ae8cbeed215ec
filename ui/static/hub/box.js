// One box: its commands, and what an admin keeps of it.

import { post, put } from "../api.js";
import { onSend } from "../forms.js";
import { element } from "../nodes.js";
import { boxNow, fromSite, toSite } from "../time.js";
import { complain, toast } from "../toasts.js";
import { twice } from "../twice.js";
import { refresh } from "./live.js";
import { answered, order } from "./orders.js";

const { boxId } = document.querySelector("#box").dataset;
const $ = (selector) => document.querySelector(selector);
const PATIENCE_MS = 60_000;

async function ordered(what) {
  toast("Ordered", "info", `${what}; the box's answer stands among its commands.`);
  await refresh();
}

for (const button of document.querySelectorAll("[data-order]")) {
  button.addEventListener("click", async () => {
    button.setAttribute("aria-busy", "true");
    try { await order(boxId, button.dataset.order); await ordered("A ping"); } catch (error) { complain(error); }
    button.removeAttribute("aria-busy");
  });
}

const clip = $("#clip-form");
if (clip) {
  const { zone } = clip.dataset; // the site's
  const { camera_id: camera, stream } = clip.elements;
  clip.elements.start.value = toSite(boxNow() - 120_000, zone);
  /** Only what the box records can be asked for; the small one first, where there is one. */
  const offer = () => {
    const told = camera.selectedOptions?.[0]?.dataset.streams;
    if (told === undefined) return;
    for (const option of stream.options) option.disabled = option.hidden = !told.split(" ").includes(option.value);
    stream.value = told.includes("sub") ? "sub" : "main";
  };
  camera.addEventListener("change", offer);
  offer();
  onSend(clip, async (fields) => {
    const start = fromSite(fields.get("start"), zone);
    await order(boxId, "fetch_clip", {
      camera_id: fields.get("camera_id").trim(),
      start_time: new Date(start).toISOString(),
      end_time: new Date(start + 1000 * Number(fields.get("seconds"))).toISOString(),
      stream: fields.get("stream"),
    });
    clip.closest("dialog").close();
    await ordered("A clip");
  });
}

const patch = $("#patch-form");
if (patch) {
  const place = $("#preview-answer");
  const apply = $("#apply");
  let previewed = null; // { text, patch, version }
  const say = (...content) => place.replaceChildren(...content);
  const forget = () => { previewed = null; apply.disabled = true; };
  patch.elements.patch.addEventListener("input", forget);

  /** A preview, answered; null, and said, where the box did not answer with one. */
  async function asked(wanted) {
    say(element("p", "fine", "Asked the box; it answers when it has fetched the order."));
    const found = await answered(boxId, await order(boxId, "patch_settings", { patch: wanted, preview: true }), PATIENCE_MS);
    if (!found) { say(element("p", "fine warn", "The box has not answered yet. Its answer will stand among its commands.")); return null; }
    if (found.state !== "done") { say(element("p", "bad", found.message || found.state)); return null; }
    return found.result;
  }

  // The commonest as fields: what differs from the box's own values is the patch, for all to see.
  const fields = [...patch.querySelectorAll("[data-setting]")].map((input) => [input, ...input.dataset.setting.split(".")]);
  let present = {};
  function fill(settings) {
    present = settings;
    for (const [input, section, key] of fields) {
      input.value = settings[section]?.[key] ?? "";
      input.disabled = settings[section]?.[key] === undefined; // a box of another version
    }
    $("#common").disabled = false;
  }
  $("#common").addEventListener("input", () => {
    const wanted = {};
    for (const [input, section, key] of fields) {
      if (input.disabled || !input.value || input.value === String(present[section][key])) continue;
      wanted[section] = { ...wanted[section], [key]: input.type === "number" ? input.valueAsNumber : input.value };
    }
    patch.elements.patch.value = JSON.stringify(wanted, null, 2);
    forget();
  });
  $("#read-settings").addEventListener("click", async ({ currentTarget: button }) => {
    button.setAttribute("aria-busy", "true");
    try {
      const told = await asked({});
      if (told) { fill(told.settings); say(); }
    } catch (error) { say(); complain(error); }
    button.removeAttribute("aria-busy");
  });

  onSend(patch, async (fields) => {
    forget();
    const text = fields.get("patch");
    let wanted;
    try { wanted = JSON.parse(text); } catch (error) { $("#expert").open = true; throw Object.assign(new Error(`this is no JSON: ${error.message}`), { field: "patch" }); }
    const told = await asked(wanted);
    if (!told) return;
    const { settings, settings_version: version, changes = [] } = told;
    const lines = changes.flatMap(({ field, before, after }) => [
      element("dt", "", field), element("dd", "", element("del", "", JSON.stringify(before)), " ", element("ins", "", JSON.stringify(after)))]);
    say(
      element("p", "", changes.length ? `${changes.length} would change:` : "Nothing would change. The settings as they are:"),
      changes.length ? element("dl", "changes", ...lines) : element("pre", "mono", JSON.stringify(settings, null, 2)),
    );
    if (changes.length) { previewed = { patch: wanted, version }; apply.disabled = false; apply.focus(); }
  });

  apply.addEventListener("click", async () => {
    if (!previewed) return;
    apply.disabled = true;
    try {
      await order(boxId, "patch_settings", { patch: previewed.patch, based_on: previewed.version });
      patch.closest("dialog").close();
      await ordered("A change of settings, on trial");
    } catch (error) { complain(error); }
  });
}

const form = $("#box-form");
if (form) {
  onSend(form, async (fields) => {
    const tags = fields.get("tags").split(",").map((tag) => tag.trim()).filter(Boolean);
    await put(`/boxes/${boxId}`, { name: fields.get("name").trim(), site_id: fields.get("site_id") || null, tags });
    location.reload();
  });
  const revoke = form.querySelector("[data-revoke]");
  if (revoke) twice(revoke, () => post(`/boxes/${boxId}/revoke`), "Really revoke? It is heard no more");
}
