// People: adding, roles, sites, disabling, deleting.

import { patch, post, remove } from "../api.js";
import { onSend } from "../forms.js";
import { complain, toast } from "../toasts.js";
import { twice } from "../twice.js";

function pick(fieldset) {
  const all = fieldset.querySelector('[name="all_sites"]');
  const show = () => { fieldset.querySelector(".site-list").hidden = all.checked; };
  all.addEventListener("change", show);
  return show;
}

/** Chosen from a list, or, where there are too many for one, written. */
function picked(fields) {
  if (fields.get("all_sites")) return null;
  const written = (fields.get("site_ids") ?? "").split(",").map((id) => id.trim()).filter(Boolean);
  return [...fields.getAll("site"), ...written];
}

for (const fieldset of document.querySelectorAll(".pick-sites")) pick(fieldset)();

onSend(document.querySelector("#person-form"), async (fields) => {
  await post("/users", {
    username: fields.get("username").trim(), password: fields.get("password"), role: fields.get("role"), site_ids: picked(fields),
  });
  location.reload();
});

const dialog = document.querySelector("#sites-dialog");
const sites = document.querySelector("#sites-form");
let about = "";
onSend(sites, async (fields) => {
  await patch(`/users/${about}`, { site_ids: picked(fields) });
  location.reload();
});

async function tried(work, done) {
  try { await work(); if (done) toast(done); else location.reload(); return true; } catch (error) { complain(error); return false; }
}

for (const item of document.querySelectorAll("[data-user]")) {
  const { user: id } = item.dataset;
  const name = item.querySelector("strong").textContent;
  const select = item.querySelector("[data-role]");
  let role = select.value;
  select.addEventListener("change", async () => {
    if (await tried(() => patch(`/users/${id}`, { role: select.value }), "Role changed")) role = select.value; else select.value = role;
  });
  const of = item.querySelector("[data-sites-of]");
  of.addEventListener("click", () => {
    about = id;
    document.querySelector("#sites-of").textContent = name;
    const chosen = new Set(JSON.parse(of.dataset.sitesOf));
    sites.elements.all_sites.checked = of.dataset.all === "1";
    for (const box of sites.querySelectorAll('[name="site"]')) box.checked = chosen.has(box.value);
    if (sites.elements.site_ids) sites.elements.site_ids.value = [...chosen].join(", ");
    sites.querySelector(".site-list").hidden = sites.elements.all_sites.checked;
    dialog.showModal();
  });
  const disable = item.querySelector("[data-disable]");
  disable.addEventListener("click", () => tried(() => patch(`/users/${id}`, { disabled: disable.dataset.disable === "1" })));
  twice(item.querySelector("[data-delete]"), () => remove(`/users/${id}`));
}
