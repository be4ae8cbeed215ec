// People: adding, changing a role, deleting.

import { patch, post, remove } from "./api.js";
import { onSend } from "./forms.js";
import { complain, toast } from "./shell.js";

onSend(document.querySelector("#user-form"), async (fields) => {
  await post("/users", { username: fields.get("username").trim(), password: fields.get("password"), role: fields.get("role") });
  location.reload();
});

for (const item of document.querySelectorAll("[data-user]")) {
  const { user: id } = item.dataset;
  const select = item.querySelector("[data-role]");
  let role = select.value;
  select.addEventListener("change", async () => {
    try {
      await patch(`/users/${id}`, { role: select.value });
      role = select.value;
      toast("Role changed");
    } catch (error) {
      select.value = role;
      complain(error);
    }
  });
  const button = item.querySelector("[data-delete]");
  button.addEventListener("click", async () => {
    if (!button.dataset.sure) {
      button.dataset.sure = "1";
      button.textContent = "Really delete?";
      button.addEventListener("blur", () => location.reload(), { once: true });
      return;
    }
    try {
      await remove(`/users/${id}`);
      location.reload();
    } catch (error) {
      complain(error);
    }
  });
}
