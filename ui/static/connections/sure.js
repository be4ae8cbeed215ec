// "Really?" before what cannot be undone with the same button.

/** True where the person says yes. `yes` names what happens. */
export function sure(title, text, yes) {
  const dialog = document.querySelector("#sure");
  document.querySelector("#sure-title").textContent = title;
  document.querySelector("#sure-text").textContent = text;
  const button = document.querySelector("#sure-yes");
  button.textContent = yes;
  return new Promise((done) => {
    const end = (said) => { dialog.close(said ? "yes" : ""); };
    button.onclick = () => end(true);
    document.querySelector("#sure-no").onclick = () => end(false);
    dialog.addEventListener("close", () => { done(dialog.returnValue === "yes"); dialog.returnValue = ""; }, { once: true });
    dialog.showModal();
  });
}
