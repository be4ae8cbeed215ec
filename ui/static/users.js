// People: adding, changing what they may, a new first password, deleting.

import { patch, post, remove } from "./api.js";
import { onSend } from "./forms.js";
import { complain, toast } from "./shell.js";
import { twice } from "./twice.js";

const seen = (fields) => (fields.has("all") ? null : fields.getAll("camera"));
for (const part of document.querySelectorAll("[data-sees]")) {
  part.querySelector("[name=all]").addEventListener("change", ({ target }) => { part.querySelector(".some").hidden = target.checked; });
}

onSend(document.querySelector("#user-form"), async (fields) => {
  const person = { username: fields.get("username").trim(), password: fields.get("password"), role: fields.get("role"), camera_ids: seen(fields) };
  await post("/users", { ...person, must_change_password: true }); // only its owner knows a password
  location.reload();
});

/** What is under "More": a password for one sign-in, which cameras, whether at all. */
function more(item, id) {
  onSend(item.querySelector("[data-password]"), async (fields) => {
    await patch(`/users/${id}`, { password: fields.get("password"), must_change_password: true });
    item.querySelector("[data-password]").reset();
    toast(`${item.dataset.name} has a new first password`, "info", "Tell it to nobody else: it is good for one sign-in.");
  });
  onSend(item.querySelector("[data-cameras]"), async (fields) => {
    await patch(`/users/${id}`, { camera_ids: seen(fields) });
    location.reload();
  });
  const bar = item.querySelector("[data-bar]");
  bar.addEventListener("click", async () => {
    try {
      await patch(`/users/${id}`, { disabled: bar.dataset.bar === "1" });
      location.reload();
    } catch (error) { complain(error); }
  });
}

for (const item of document.querySelectorAll("[data-user]")) {
  const { user: id } = item.dataset;
  if (item.querySelector("details")) more(item, id);
  const select = item.querySelector("[data-role]");
  let role = select.value;
  const save = item.querySelector("[data-save-role]"); // arrow keys pass through every role
  select.addEventListener("change", () => { save.hidden = select.value === role; });
  save.addEventListener("click", async () => {
    try {
      await patch(`/users/${id}`, { role: select.value });
      role = select.value;
      toast(`${item.dataset.name} is ${role} now`);
    } catch (error) {
      select.value = role;
      complain(error);
    }
    save.hidden = true;
  });
  twice(item.querySelector("[data-delete]"), () => remove(`/users/${id}`));
}
