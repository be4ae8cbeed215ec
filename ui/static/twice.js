// The first click asks, the second does it: no dialog for one line of a list, and no slip either.

import { complain } from "./toasts.js";

export function twice(button, act, question = "Really delete?") {
  const before = [...button.childNodes];
  const forget = () => {
    delete button.dataset.sure;
    button.replaceChildren(...before);
  };
  button.addEventListener("blur", () => { if (button.dataset.sure) forget(); });
  button.addEventListener("click", async () => {
    if (!button.dataset.sure) {
      button.dataset.sure = "1";
      button.textContent = question;
      return;
    }
    try {
      await act();
      location.reload();
    } catch (error) {
      complain(error);
      forget();
    }
  });
}
