// The administrator: name and password, typed once; shown on demand instead of typed twice. Or a backup on a stick,
// whose box this becomes.

const AGAIN_MS = 3000;

export function start(step) {
  const { root, found } = step;
  const field = (name) => root.elements.namedItem(name);
  const show = root.querySelector("#show");
  show.addEventListener("click", () => {
    const shown = field("password").type === "text";
    field("password").type = shown ? "password" : "text";
    show.textContent = shown ? "Show" : "Hide";
    show.setAttribute("aria-pressed", String(!shown));
  });
  if (found.administrators.length) {
    const there = root.querySelector("#there");
    there.hidden = false;
    there.textContent = `${found.administrators.join(", ")} can sign in already. With that name nothing changes, and no password is needed.`;
    field("name").value = found.administrators[0];
    field("password").required = false;
  }
  if (!found.is_box) offerBackups(step);
  const restore = () => root.querySelector("[name=restore]:checked")?.value ?? "";
  return () => (restore()
    ? { restore: restore(), passphrase: field("passphrase").value }
    : { name: field("name").value.trim(), password: field("password").value });
}

/** Those on the sticks that are plugged in, looked for while nobody has gone on. */
function offerBackups(step) {
  const { root } = step;
  const list = root.querySelector("#backups");
  let shown = "";
  const choose = () => {
    const chosen = root.querySelector("[name=restore]:checked")?.value ?? "";
    for (const part of root.querySelectorAll("[data-password], label:has([name=name]), #about")) part.hidden = Boolean(chosen);
    root.querySelector("[data-passphrase]").hidden = !chosen;
    root.elements.namedItem("password").required = !chosen;
    root.elements.namedItem("name").required = !chosen;
  };
  const row = (value, text, fine, checked) => {
    const input = Object.assign(document.createElement("input"), { type: "radio", name: "restore", value, checked });
    const words = Object.assign(document.createElement("span"), { textContent: text });
    words.append(Object.assign(document.createElement("span"), { className: "fine", textContent: fine }));
    const label = Object.assign(document.createElement("label"), { className: "check" });
    label.append(input, words);
    return label;
  };
  const look = async () => {
    try {
      const { backups } = await step.ask("backups", {});
      if (JSON.stringify(backups) !== shown) {
        shown = JSON.stringify(backups);
        const chosen = root.querySelector("[name=restore]:checked")?.value ?? "";
        list.querySelector(".choices").replaceChildren(row("", "A new box", "", !backups.some(({ file }) => file === chosen)),
          ...backups.map(({ file, name, newest }) => row(file, when(name), `${newest ? "the newest on its stick · " : ""}${name}`, file === chosen)));
        list.hidden = !backups.length;
        root.querySelector("#no-backups").hidden = backups.length > 0;
        choose();
      }
    } catch { /* the wizard says so itself when one goes on */ }
    if (root.isConnected) setTimeout(look, AGAIN_MS);
  };
  list.addEventListener("change", choose);
  look();
}

/** "Backup of 2026-01-20, 14:30 UTC", as its name says. */
function when(name) {
  const found = /-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)\d\dZ\.backup$/.exec(name);
  return found ? `Backup of ${found[1]}-${found[2]}-${found[3]}, ${found[4]}:${found[5]} UTC` : name;
}
