// An update for a group of boxes: counted first, then one order each.

import { get } from "../api.js";
import { onSend } from "../forms.js";
import { order } from "./orders.js";

const form = document.querySelector("#update-form");
const go = document.querySelector("#order-all");
const progress = document.querySelector("#progress");
let group = [];

async function boxesOf(fields) {
  const found = [];
  const query = new URLSearchParams({ limit: "1000" });
  for (const [name, key] of [["site", "site_id"], ["q", "q"]]) if (fields.get(name)) query.set(key, fields.get(name));
  for (;;) {
    const page = await get(`/boxes?${query}`);
    found.push(...page.boxes.filter((box) => !box.revoked));
    if (!page.next_cursor) return found;
    query.set("cursor", page.next_cursor);
  }
}

if (form) {
  form.addEventListener("input", () => { go.hidden = true; });
  onSend(form, async (fields) => {
    const wanted = fields.get("version").trim();
    const all = await boxesOf(fields);
    group = all.filter((box) => box.version !== wanted);
    go.hidden = group.length === 0;
    go.disabled = false;
    go.textContent = `Order ${wanted} of ${group.length} ${group.length === 1 ? "box" : "boxes"}`;
    const there = all.length - group.length;
    const silent = group.filter((box) => box.presence !== "online").length;
    progress.textContent = `${all.length} in the group${there ? `, ${there} on it already` : ""}${silent ? `, ${silent} not online: they fetch it within a day or not at all` : ""}.`;
  });
  go.addEventListener("click", async () => {
    go.disabled = true;
    const fields = new FormData(form);
    const body = { version: fields.get("version").trim(), sha256: fields.get("sha256"), url: fields.get("url") };
    let done = 0;
    const refused = [];
    for (const box of group) {
      try { await order(box.id, "update", body); done += 1; } catch (error) { refused.push(`${box.name}: ${error.message}`); }
      progress.textContent = `Ordered of ${done} of ${group.length}${refused.length ? `; ${refused.length} refused: ${refused.slice(0, 3).join("; ")}` : ""}`;
    }
  });
}
