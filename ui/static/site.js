// The site: its name, its time zone, how long things are kept.

import { put } from "./api.js";
import { onSend } from "./forms.js";

const form = document.querySelector("#site-form");
const list = document.querySelector("#zones-list");
list.append(...Intl.supportedValuesOf("timeZone").map((name) => Object.assign(document.createElement("option"), { value: name })));

onSend(form, async (fields) => {
  const before = JSON.parse(form.dataset.settings);
  await put("/settings", {
    ...before,
    site: { ...before.site, name: fields.get("name").trim(), time_zone: fields.get("time_zone").trim() },
    retention: {
      ...before.retention,
      days: Number(fields.get("days")),
      event_days: Number(fields.get("event_days")),
      reserve_percent: Number(fields.get("reserve_percent")),
    },
  });
  location.reload();
});
