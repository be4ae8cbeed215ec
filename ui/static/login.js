// Sign in; replace a claim code by a password of one's own.

import { call } from "./api.js";
import { sentence } from "./forms.js";

const signIn = document.querySelector("#sign-in");
const replace = document.querySelector("#replace");
let given = { username: "", password: "" };

function problem(form, message, hint = "") {
  const box = form.querySelector(".problem");
  box.textContent = sentence(message);
  if (hint) box.append(Object.assign(document.createElement("span"), { textContent: sentence(hint) }));
  box.hidden = !message;
}

async function busy(form, work) {
  const button = form.querySelector("button");
  button.disabled = true;
  problem(form, "");
  try {
    await work();
  } catch (error) {
    problem(form, error.message, error.hint);
    if (error.status === 429) return countDown(form, error.retryAfter || 60);
  }
  button.disabled = false;
  return undefined;
}

/** Too many failures: the box refuses for a while, also the right password. Say for how long. */
function countDown(form, seconds) {
  const button = form.querySelector("button");
  const label = button.textContent;
  const until = performance.now() + seconds * 1000;
  const tick = () => {
    const left = Math.ceil((until - performance.now()) / 1000);
    if (left > 0) {
      button.textContent = `Wait ${left} s`;
      setTimeout(tick, 500);
    } else {
      button.textContent = label;
      button.disabled = false;
      problem(form, "");
    }
  };
  tick();
}

/** The box leads a person with a claim code to /password, whatever page they ask for. */
async function mustReplace() {
  const answer = await fetch("/settings/health", { credentials: "same-origin" });
  return new URL(answer.url).pathname === "/password";
}

function goOn() {
  location.assign(document.body.dataset.next || "/");
}

signIn.addEventListener("submit", (submit) => {
  submit.preventDefault();
  const form = new FormData(signIn);
  given = { username: form.get("username").trim(), password: form.get("password") };
  busy(signIn, async () => {
    const answer = await call("POST", "/auth/login", given);
    const must = answer.must_change_password ?? (await mustReplace());
    if (!must) { goOn(); return; }
    signIn.hidden = true;
    replace.hidden = false;
    replace.querySelector("input").focus();
  });
});

replace.addEventListener("submit", (submit) => {
  submit.preventDefault();
  const form = new FormData(replace);
  if (form.get("password") !== form.get("again")) {
    problem(replace, "The two are not the same.", "Type the new password once more.");
    return;
  }
  busy(replace, async () => {
    await call("POST", "/auth/password", { current_password: form.get("current") || given.password, new_password: form.get("password") });
    goOn();
  });
});
