// The end: the wizard writes that the box is set up, says where it is from now on, and is gone.

import { complain } from "../toasts.js";
import { post } from "./calls.js";

const button = document.querySelector("#finish");
const open = document.querySelector("#open");

button.addEventListener("click", async () => {
  button.disabled = true;
  button.textContent = "The box closes its recordings …"; // some seconds
  try {
    const { address, fingerprint } = await post("/api/finish");
    document.querySelector("#before").hidden = true;
    document.querySelector("#after").hidden = false;
    button.parentElement.hidden = true;
    open.href = address;
    document.querySelector("#where").textContent = `It is at ${address} from now on, in a minute at the latest. Keep that address.`;
    document.querySelector("#print").textContent = `Its certificate's fingerprint (SHA-256): ${fingerprint}`;
  } catch (error) {
    button.disabled = false;
    button.textContent = "Finish";
    complain(error);
  }
});
