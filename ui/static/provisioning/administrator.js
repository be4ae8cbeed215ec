// The administrator: name and password, typed once; shown on demand instead of typed twice.

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
  return () => ({ name: field("name").value.trim(), password: field("password").value });
}
