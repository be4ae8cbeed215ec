// Sites: adding, changing, deleting.

import { post, put, remove } from "../api.js";
import { onSend } from "../forms.js";
import { twice } from "../twice.js";

const form = document.querySelector("#site-form");
const cancel = form.querySelector('[type="reset"]');
const title = form.querySelector("h2");
const send = form.querySelector('[type="submit"]');
document.querySelector("#zones").append(...Intl.supportedValuesOf("timeZone").map((name) => Object.assign(document.createElement("option"), { value: name })));

function edit(site) {
  const { elements } = form;
  elements.id.value = site?.site ?? "";
  for (const [field, key] of [["name", "name"], ["time_zone", "zone"], ["latitude", "latitude"], ["longitude", "longitude"]]) if (site) elements[field].value = site[key];
  title.textContent = site ? `Change ${site.name}` : "Add a site";
  send.textContent = site ? "Save" : "Add";
  cancel.hidden = !site;
  if (site) elements.name.focus();
}

form.addEventListener("reset", () => edit(null));
const degrees = (text) => (text === "" ? null : Number(text));

onSend(form, async (fields) => {
  const body = {
    name: fields.get("name").trim(), time_zone: fields.get("time_zone").trim(),
    latitude: degrees(fields.get("latitude")), longitude: degrees(fields.get("longitude")),
  };
  await (fields.get("id") ? put(`/sites/${fields.get("id")}`, body) : post("/sites", body));
  location.reload();
});

for (const item of document.querySelectorAll("[data-site]")) {
  item.querySelector("[data-edit]").addEventListener("click", () => edit(item.dataset));
  twice(item.querySelector("[data-delete]"), () => remove(`/sites/${item.dataset.site}`));
}
