// The form beside the picture that adds a rule: only zones that fit its kind can be chosen.

import { post } from "./api.js";
import { onSend } from "./forms.js";

export function startRules(form) {
  const { kind, zone_id: zone } = form.elements;
  const fit = () => {
    const wanted = kind.value === "line_cross" ? "line" : "polygon";
    for (const option of zone.options) option.hidden = option.disabled = option.dataset.kind !== wanted;
    if (zone.selectedOptions[0]?.disabled !== false) zone.value = [...zone.options].find((option) => !option.disabled)?.value ?? "";
    document.querySelector("#direction").hidden = wanted !== "line";
  };
  kind.addEventListener("change", fit);
  fit();
  onSend(form, async (fields) => {
    if (!fields.get("zone_id")) throw new Error(kind.value === "line_cross" ? "Draw a line first." : "Draw a zone first.");
    await post("/rules", {
      name: fields.get("name").trim(),
      kind: fields.get("kind"),
      zone_ids: [fields.get("zone_id")],
      classes: fields.get("class") ? [fields.get("class")] : [],
      severity: fields.get("severity"),
      cooldown_s: Number(fields.get("cooldown_s")),
      params: fields.get("kind") === "line_cross" ? { direction: fields.get("direction") } : {},
    });
    location.reload();
  });
}
