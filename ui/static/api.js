// Calls to /api/v1. Writes carry the CSRF token from the readable cookie; refusals arrive as Refusal
// with the server's own words, which are shown verbatim. The hub's pages use this too, and say in <html>
// what they are and how their cookie is called.

const { server = "box", csrf: cookie = "csrf" } = document.documentElement.dataset;

export class Refusal extends Error {
  constructor(status, error, retryAfter) {
    super(error.message || `the ${server} answered ${status}`);
    this.status = status;
    this.kind = error.kind || "internal";
    this.hint = error.hint || "";
    this.field = error.field || null;
    this.retryAfter = retryAfter;
  }
}

function csrf() {
  const found = document.cookie.split("; ").find((part) => part.startsWith(`${cookie}=`));
  return found ? decodeURIComponent(found.slice(cookie.length + 1)) : "";
}

/**
 * @param {string} method
 * @param {string} path  below /api/v1
 * @param {object} [body]  sent as JSON
 * @returns the parsed answer, or null for 204
 */
export async function call(method, path, body, { signal } = {}) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRF-Token"] = csrf();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(`/api/v1${path}`, {
      method, headers, signal, credentials: "same-origin", body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, {
      message: `The ${server} does not answer.`,
      hint: method === "GET" ? "Check the network; this page keeps trying."
        : "Check the network, then try again: whether it was done is not known.",
    });
  }
  if (answer.status === 204) return null;
  const text = await answer.text();
  let parsed = {};
  try { parsed = JSON.parse(text); } catch { /* a proxy's page: the status is all there is to say */ }
  if (answer.ok) return parsed;
  if (answer.status === 401 && location.pathname !== "/login") {
    location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  }
  throw new Refusal(answer.status, parsed.error ?? {}, Number(answer.headers.get("Retry-After")) || 0);
}

/** Sends a file as it is; `onShare` is told how much of it is through, 0..1. */
export function send(path, file, onShare) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not say how far an upload is
    request.open("POST", `/api/v1${path}`);
    request.setRequestHeader("X-CSRF-Token", csrf());
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (event) => onShare(event.total ? event.loaded / event.total : 0));
    request.addEventListener("error", () => reject(new Refusal(0, {
      message: "The upload broke off.", hint: "Check the network, then send it again: nothing was changed.",
    })));
    request.addEventListener("load", () => {
      let parsed = {};
      try { parsed = JSON.parse(request.responseText); } catch { /* as in call */ }
      if (request.status < 300) resolve(parsed);
      else reject(new Refusal(request.status, parsed.error ?? {}, 0));
    });
    request.send(file);
  });
}

export const get = (path, how) => call("GET", path, undefined, how);
export const post = (path, body = {}, how) => call("POST", path, body, how);
export const put = (path, body) => call("PUT", path, body);
export const patch = (path, body) => call("PATCH", path, body);
export const remove = (path) => call("DELETE", path);
