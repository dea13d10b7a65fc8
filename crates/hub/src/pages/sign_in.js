// The sign-in page: two ceremonies of WebAuthn, then back to the app. No library, no state beyond this page.
"use strict";

const words = document.currentScript.dataset;
const at = (id) => document.getElementById(id);

const toBytes = (text) => {
  const binary = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(binary, (c) => c.charCodeAt(0));
};
const toText = (buffer) => {
  let binary = "";
  for (const byte of new Uint8Array(buffer)) binary += String.fromCharCode(byte);
  return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
};

class Refused extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

async function ask(path, body) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      credentials: "omit",
    });
  } catch {
    throw new Refused("offline");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(answer.code ?? "internal");
  return answer;
}

function creationOptions({ publicKey }) {
  return {
    publicKey: {
      ...publicKey,
      challenge: toBytes(publicKey.challenge),
      user: { ...publicKey.user, id: toBytes(publicKey.user.id) },
      excludeCredentials: (publicKey.excludeCredentials ?? []).map((c) => ({ ...c, id: toBytes(c.id) })),
    },
  };
}

function requestOptions({ publicKey }) {
  return {
    publicKey: {
      ...publicKey,
      challenge: toBytes(publicKey.challenge),
      allowCredentials: (publicKey.allowCredentials ?? []).map((c) => ({ ...c, id: toBytes(c.id) })),
    },
  };
}

const base = (credential) => ({
  id: credential.id,
  rawId: toText(credential.rawId),
  type: credential.type,
  extensions: credential.getClientExtensionResults(),
});

const created = (credential) => ({
  ...base(credential),
  response: {
    attestationObject: toText(credential.response.attestationObject),
    clientDataJSON: toText(credential.response.clientDataJSON),
    transports: credential.response.getTransports?.() ?? [],
  },
});

const asserted = (credential) => ({
  ...base(credential),
  response: {
    authenticatorData: toText(credential.response.authenticatorData),
    clientDataJSON: toText(credential.response.clientDataJSON),
    signature: toText(credential.response.signature),
    userHandle: credential.response.userHandle ? toText(credential.response.userHandle) : null,
  },
});

function busy(on) {
  for (const control of document.querySelectorAll("button, input")) control.disabled = on;
  at("status").hidden = !on;
  at("status").textContent = on ? words.working : "";
  if (on) at("error").hidden = true;
}

function complain(text, field) {
  const error = at("error");
  error.textContent = text;
  error.hidden = false;
  for (const input of document.querySelectorAll("input")) input.removeAttribute("aria-invalid");
  if (field) {
    field.setAttribute("aria-invalid", "true");
    field.focus();
  } else {
    error.focus();
  }
}

function explain(error) {
  if (error instanceof Refused) {
    return { offline: words.offline, stale: words.stale, malformed: words.stale, claim_ended: words.claimEnded, limit_reached: words.addMany, throttled: words.throttled }[error.code]
      ?? words.failed;
  }
  if (error?.name === "InvalidStateError") return words.addKnown;
  if (error?.name === "NotAllowedError" || error?.name === "AbortError") return words.cancelled;
  return words.failed;
}

async function attempt(steps) {
  busy(true);
  try {
    const { redirect } = await steps();
    if (!redirect) return busy(false);
    for (const done of document.querySelectorAll("#choices, .intro, .privacy")) done.hidden = true;
    at("status").hidden = false;
    at("status").textContent = words.done;
    at("status").classList.add("done");
    // Phones open an app only by a press, and the one on the button may be too long ago.
    at("back").href = redirect;
    at("back").hidden = false;
    location.replace(redirect);
  } catch (error) {
    busy(false);
    if (error instanceof Refused && error.field) complain(error.message, error.field);
    else complain(explain(error));
  }
}

const request = words.request;

async function register(start) {
  const { ceremony, options } = start;
  const credential = await navigator.credentials.create(creationOptions(options));
  return ask("/authorize/register/finish", { ceremony, credential: created(credential) });
}

at("sign-in").addEventListener("click", () =>
  attempt(async () => {
    const { ceremony, options } = await ask("/authorize/sign-in/start", { request });
    const credential = await navigator.credentials.get(requestOptions(options));
    const answer = await ask("/authorize/sign-in/finish", { ceremony, credential: asserted(credential) });
    if (answer.redirect) return answer;
    // Another passkey is wanted. Browsers want a press of their own for each ceremony.
    at("sign-in").hidden = true;
    at("add").hidden = false;
    addition = answer;
    return {};
  }),
);

let addition;
at("add")?.addEventListener("click", () => attempt(() => register(addition)));

at("create")?.addEventListener("click", () => {
  const name = at("name").value.trim();
  if (!name) return complain(words.nameMissing, at("name"));
  return attempt(async () => register(await ask("/authorize/register/start", { request, name })));
});

at("recover")?.addEventListener("click", () => {
  const code = at("code").value.trim();
  return attempt(async () => {
    const start = await ask("/authorize/recover/start", { request, code }).catch((error) => {
      if (error instanceof Refused && error.code === "unauthenticated") {
        error.message = words.codeWrong;
        error.field = at("code");
      }
      throw error;
    });
    return register(start);
  });
});

at("guest")?.addEventListener("click", () => attempt(() => ask("/authorize/guest", { request })));

for (const [field, button] of [["name", "create"], ["code", "recover"]]) {
  at(field)?.addEventListener("keydown", (event) => {
    if (event.key === "Enter") at(button).click();
  });
}

if (!window.PublicKeyCredential) {
  for (const control of document.querySelectorAll("button, input")) control.disabled = true;
  complain(words.unsupported);
}
