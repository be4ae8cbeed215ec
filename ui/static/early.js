// The one script that runs before the page is drawn. The others listen when the page has been read; on a slow
// line somebody is quicker. Such a press would be lost, or the browser would send the form by itself, to where
// nobody listens. It is kept, and pressed again once they do. (Enter in a field is a press of the form's button.)
{
  let pressed = null;
  const keep = (event) => {
    const button = event.target.closest?.("button");
    if (!button || button.form?.getAttribute("method") === "get") return;
    event.preventDefault();
    event.stopImmediatePropagation();
    pressed = button;
    button.setAttribute("aria-busy", "true");
  };
  addEventListener("click", keep, true);
  document.addEventListener("DOMContentLoaded", () => { // modules have run by now
    removeEventListener("click", keep, true);
    pressed?.removeAttribute("aria-busy");
    if (pressed?.isConnected && pressed.checkVisibility()) pressed.click();
  });
}
