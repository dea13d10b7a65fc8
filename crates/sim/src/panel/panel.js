"use strict";
// Draws /api/state, again whenever /api/events says that something changed. Everything shown is put in as text.

const $ = (id) => document.getElementById(id);
let state = null;
let chosen = null;
let doorShown = null;
let typed = "";
const openDetails = new Set(["log", "links"]);

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "style") node.style.cssText = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function say(text) { $("said").textContent = text; }

async function call(path, body, method = "POST") {
  const response = await fetch("/api" + path, {
    method,
    headers: { "content-type": "application/json" },
    body: body === undefined ? "{}" : JSON.stringify(body),
  });
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    say(problem.error || `Refused (${response.status})`);
    alertLine(problem.error || `Refused (${response.status})`);
  }
  await refresh();
}

let alertTimer = 0;
function alertLine(text) {
  const line = $("link");
  line.textContent = text;
  line.hidden = false;
  clearTimeout(alertTimer);
  alertTimer = setTimeout(() => { line.hidden = true; }, 5000);
}

const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const time = (ms) => clock(ms) + "." + String(ms % 1000).padStart(3, "0");

function label(cabinet, number) {
  return cabinet.doors.find((door) => door.door === number)?.label ?? `door ${number}`;
}

// -- the cabinet front ---------------------------------------------------------------------------------------------

function doorWords(door) {
  const words = [door.open ? "open" : "closed"];
  if (door.energised) words.push("latch pulled");
  if (door.inside) words.push(`inside: ${door.inside}`);
  if (door.sensed_open === null) words.push("sensor silent");
  else if (door.sensed_open !== door.open) words.push(`sensor says ${door.sensed_open ? "open" : "closed"}`);
  if (door.obstructed) words.push("obstructed");
  if (door.chilled) words.push("chilled");
  if (door.frozen) words.push("frozen");
  return words.join(", ");
}

function front(cabinet) {
  const columns = [];
  for (const door of cabinet.doors) (columns[door.column] ??= []).push(door);
  const drawn = columns.map((doors) => el("div", { class: "column" }, ...doors.map((door) => cell(cabinet, door))));
  if (cabinet.keypad || cabinet.scanner || cabinet.screen !== null) {
    drawn.splice(Math.ceil(drawn.length / 2), 0, desk(cabinet));
  }
  return el("div", { class: "front" }, el("div", { class: cabinet.on ? "cabinet" : "cabinet dark" }, ...drawn));
}

function cell(cabinet, door) {
  const fate = cabinet.fate.doors[door.door];
  const ill = (door.sensed_open !== door.open) || door.obstructed || (fate?.jammed_pulses ?? 0) > 0;
  const climate = door.frozen ? "❄❄ frozen" : door.chilled && "❄ chilled";
  const classes = ["cell", door.open && "open", door.energised && "energised", ill && "ill", door.inside && "full"];
  return el("button", {
    class: classes.filter(Boolean).join(" "),
    "data-door": door.door,
    style: `height: calc(var(--unit) * ${door.height} + ${(door.height - 1) * 3}px)`,
    "aria-label": `${door.label}: ${doorWords(door)}`,
    title: `${door.label}: ${doorWords(door)}`,
    onclick: () => showDoor(door.door),
    onkeydown: moveFocus,
  },
  el("span", { class: "content" }, door.inside ? el("span", { class: "parcel" }, door.inside) : null),
  el("span", { class: "leaf" }, door.label, climate ? el("span", { class: "mark" }, climate) : null),
  el("span", { class: "lamp" }));
}

// Arrow keys walk over the front, as the doors lie.
function moveFocus(event) {
  const step = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
  if (!step) return;
  event.preventDefault();
  const columns = [...document.querySelectorAll(".column")].map((column) => [...column.children]);
  const x = columns.findIndex((column) => column.includes(event.currentTarget));
  const y = columns[x].indexOf(event.currentTarget);
  const column = columns[(x + step[0] + columns.length) % columns.length];
  column[Math.min(Math.max(y + step[1], 0), column.length - 1)].focus();
}

function desk(cabinet) {
  const keys = cabinet.keypad ? el("div", { class: "keys" }, ...["1", "2", "3", "4", "5", "6", "7", "8", "9", "C", "0", "OK"]
    .map((key) => el("button", { "aria-label": `key ${key}`, onclick: () => press(cabinet, key) }, key))) : null;
  const screen = cabinet.screen === null ? null
    : el("div", { class: "screen", role: "status", "aria-label": "cabinet's screen" }, typed || cabinet.screen || "Welcome");
  return el("div", { class: "desk" }, screen, cabinet.scanner ? el("div", { class: "eye", title: "scanner" }) : null, keys);
}

function press(cabinet, key) {
  if (key === "C") typed = "";
  else if (key === "OK") { const digits = typed; typed = ""; call(`/cabinets/${cabinet.id}/keypad`, { digits }); return; }
  else if (typed.length < 8) typed += key;
  draw();
}

function showDoor(number) {
  doorShown = number;
  drawDoor();
  if (!$("door-dialog").open) $("door-dialog").showModal();
}

function drawDoor() {
  const cabinet = current();
  const door = cabinet?.doors.find((door) => door.door === doorShown);
  if (!door) return;
  $("door-title").textContent = door.label;
  $("door-text").textContent = `Door ${door.door}, size ${door.size.toUpperCase()}: ${doorWords(door)}. ${door.pulses} latch pulses.`;
  const hand = (name, words, enabled, body) => el("button", {
    type: "button", disabled: !enabled, onclick: () => call(`/cabinets/${cabinet.id}/doors/${door.door}/${name}`, body),
  }, words);
  const fate = cabinet.fate.doors[door.door] ?? {};
  const fault = (words, on, patch) => el("button", {
    type: "button", "aria-pressed": String(on), class: on ? "main" : null,
    onclick: () => call(`/cabinets/${cabinet.id}/faults`, { doors: { [door.door]: patch } }),
  }, words);
  $("door-buttons").replaceChildren(
    hand("take", "Take it out", door.open && door.inside),
    hand("put", "Put a parcel in", door.open && !door.inside, { what: "parcel" }),
    hand("close", "Close the door", door.open && !door.obstructed),
    fault("Jam the latch", (fate.jammed_pulses ?? 0) > 0, { jammed_pulses: (fate.jammed_pulses ?? 0) > 0 ? null : 1000 }),
    fault("Sensor stuck closed", fate.sensor === "stuck_closed", { sensor: fate.sensor === "stuck_closed" ? "works" : "stuck_closed" }),
    fault("Sensor stuck open", fate.sensor === "stuck_open", { sensor: fate.sensor === "stuck_open" ? "works" : "stuck_open" }),
    fault("Sensor bounces", fate.sensor === "bouncing", { sensor: fate.sensor === "bouncing" ? "works" : "bouncing" }),
    fault("Obstruct", fate.obstructed === true, { obstructed: fate.obstructed !== true }),
    fault("Falls shut after 1 s", fate.closes_after_ms > 0, { closes_after_ms: fate.closes_after_ms > 0 ? null : 1000 }),
  );
}

// -- what goes on ----------------------------------------------------------------------------------------------------

function chips(cabinet) {
  const chip = (text, kind) => el("span", { class: `chip ${kind ?? ""}` }, text);
  const seen = cabinet.advertisement;
  return el("p", { class: "chips" },
    chip(`${cabinet.name} · ${cabinet.id}`),
    cabinet.on ? chip("power on", "good") : chip("power off", "bad"),
    seen ? chip(seen.accepting ? "on the air, accepting" : "on the air, taken", seen.accepting ? "good" : "warn") : chip("not on the air", "bad"),
    chip(cabinet.fate.machine.low_battery ? "battery low" : "battery good", cabinet.fate.machine.low_battery ? "warn" : "good"),
    cabinet.clock.set ? chip(cabinet.clock.skew ? `clock ${cabinet.clock.skew > 0 ? "+" : ""}${cabinet.clock.skew} s` : "clock set", cabinet.clock.skew ? "warn" : "good") : chip("clock lost", "bad"),
    chip(cabinet.content_sensors ? "content sensors" : "no content sensors"), chip(cabinet.uplink ? "own line to the hub" : "no line of its own"),
    cabinet.news ? chip(`news ${cabinet.news}`) : null,
    chip(`${cabinet.address}`), chip(`MTU ${cabinet.fate.air.mtu ?? cabinet.mtu}`));
}

function links(cabinet) {
  if (!cabinet.links.length) return el("p", { class: "empty" }, "Nobody is connected.");
  const row = (link) => el("tr", {}, el("td", {}, `#${link.link}`), el("td", {}, link.mtu), el("td", {}, `${link.last_in ?? "–"} · ${link.frames_in} frames`),
    el("td", {}, `${link.last_out ?? "–"} · ${link.frames_out} frames`));
  return el("table", {}, el("thead", {}, el("tr", {}, ...["Link", "MTU", "From the phone", "To the phone"].map((h) => el("th", { scope: "col" }, h)))),
    el("tbody", {}, ...cabinet.links.map(row)));
}

const reasons = {
  message: "not a message of the protocol", late: "OPEN came too late", handshake: "the handshake failed", token: "not a token of its issuers",
  delegation: "the delegation is not good", proof: "no proof of the device's key", locker: "the token is for another locker",
  door: "the token does not name this door", operation: "the token does not allow this", early: "not valid yet", expired: "not valid any more",
  lifetime: "valid for too long", epoch: "the door belongs to somebody else by now", revoked: "ended by a bulletin", guests: "the token has as many guests as are remembered",
  ahead: "signed far ahead of the clock", full: "no room at this door to remember one more token", clock: "the time is not known", uses: "all uses are spent",
  order: "nothing to reopen, or the customer was there before the courier", repeated: "this code was used before", busy: "in use", throttled: "too many attempts", pin: "wrong PIN", faulted: "the flash failed",
};
const enders = { phone: "the phone", locker: "the locker", fate: "fate", power: "loss of power" };
const deeds = { put: "something put in at", take: "taken out at", close: "closed", pull: "pulled at" };

function words(cabinet, entry) {
  const door = entry.door === undefined ? "" : label(cabinet, entry.door);
  const link = entry.link === undefined || entry.link === null ? "at the cabinet" : `link #${entry.link}`;
  switch (entry.what) {
    case "booted": return ["firmware started", "good"];
    case "boot_failed": return [`firmware did not start: ${entry.error}`, "bad"];
    case "power_lost": return ["power failed", "bad"];
    case "connected": return [`link #${entry.link} connected, MTU ${entry.mtu}`];
    case "turned_away": return ["a phone was turned away", "bad"];
    case "subscribed": return [`link #${entry.link} subscribed`];
    case "hello_read": return [`link #${entry.link} read the HELLO`];
    case "disconnected": return [`link #${entry.link} ended by ${enders[entry.by] ?? entry.by}, ${entry.frames_in} frames in, ${entry.frames_out} out`, entry.by === "fate" ? "bad" : ""];
    case "message": return [`link #${entry.link} ${entry.direction === "to_locker" ? "→" : "←"} ${entry.kind}, ${entry.length} bytes`];
    case "lost": return [`link #${entry.link} a frame ${entry.direction === "to_locker" ? "to the locker" : "to the phone"} was lost`, "bad"];
    case "too_long": return [`link #${entry.link} a write of ${entry.length} bytes was refused`, "bad"];
    case "accepted": return [`${entry.operation} ${door} accepted, ${link}`, "good"];
    case "refused": return [`refused, ${reasons[entry.reason] ?? entry.reason}: ${link}`, "bad"];
    case "latch": return [`latch ${door} pulled, attempt ${entry.attempt}`];
    case "receipt": return [`receipt ${entry.sequence}: ${door} ${entry.outcome.replaceAll("_", " ")}`, /^(opened|closed)/.test(entry.outcome) ? "good" : "warn"];
    case "door": return [`${door} ${entry.kind.replaceAll("_", " ")}`];
    case "hand": return [`hand: ${deeds[entry.did] ?? entry.did} ${door}`];
    case "screen": return [`screen: “${entry.says}”`];
    case "bulletin": return ["a bulletin brought news"];
    case "corrected": return [`the hub corrected the clock by ${entry.seconds} s`, "warn"];
    case "faulted": return ["the firmware gave up on its flash", "bad"];
    case "address_rotated": return ["new address"];
    case "fate": return ["fate changed", "warn"];
    case "note": return [entry.text];
    default: return [entry.what.replaceAll("_", " ")];
  }
}

function log(cabinet) {
  return el("ol", { class: "log", tabindex: "0", "aria-label": "Log, newest first" }, ...[...cabinet.log].reverse().map((entry) => {
    const [text, kind] = words(cabinet, entry);
    return el("li", {}, el("time", {}, time(entry.at)), el("span", { class: kind || null }, text));
  }));
}

function chain(cabinet) {
  if (!cabinet.receipts.length) return el("p", { class: "empty" }, "No receipt yet.");
  const item = (receipt, index) => {
    const first = index === cabinet.receipts.length - 1;
    const whole = receipt.signed && (receipt.follows || first);
    return el("li", { class: whole ? null : "broken" },
      el("strong", {}, `${receipt.sequence ?? "?"} · ${receipt.door ? label(cabinet, receipt.door) : "?"} ${(receipt.outcome ?? "not readable").replaceAll("_", " ")}`),
      ` ${receipt.operation ?? ""} by ${receipt.pin ? `PIN, slot ${receipt.pin.slot} of epoch ${receipt.pin.epoch}` : receipt.source ?? "?"} at ${receipt.at ? clock(receipt.at * 1000) : "?"} `,
      el("span", { class: whole ? "good" : "bad" }, receipt.signed ? (receipt.follows ? "✓ signature, ✓ follows" : first ? "✓ signature" : "✓ signature, ✗ does not follow") : "✗ signature"),
      el("div", { class: "mono" }, receipt.hash));
  };
  return el("div", {}, el("p", { class: cabinet.chain_whole ? "good" : "bad" }, cabinet.chain_whole ? "The chain is whole." : "The chain is broken."),
    el("ol", { class: "chain" }, ...cabinet.receipts.map(item)));
}

// -- fate --------------------------------------------------------------------------------------------------------------

function fate(cabinet) {
  const send = (patch) => call(`/cabinets/${cabinet.id}/faults`, patch);
  const air = cabinet.fate.air;
  const machine = cabinet.fate.machine;
  let count = 0;
  const id = () => `fate-${count++}`;
  const box = (words, on, patch) => {
    const name = id();
    return [el("label", { for: name }, words), el("input", { id: name, type: "checkbox", checked: on, onchange: (event) => send(patch(event.target.checked)) })];
  };
  const number = (words, value, min, max, patch) => {
    const name = id();
    return [el("label", { for: name }, words), el("input", { id: name, type: "number", min, max, value: value ?? "", placeholder: "–",
      onchange: (event) => send(patch(event.target.value === "" ? null : Number(event.target.value))) })];
  };
  const cut = (direction, value) => send({ air: { drop_after: value === null ? null : { direction, frame: value, delivered: false } } });
  const cutValue = (direction) => (air.drop_after?.direction === direction ? air.drop_after.frame : null);
  return el("div", { class: "fate" },
    el("h3", {}, "On the air"),
    ...number("Cut the next link at the phone's frame", cutValue("to_locker"), 0, 99, (v) => { cut("to_locker", v); return {}; }),
    ...number("Cut the next link at the locker's frame", cutValue("to_phone"), 0, 99, (v) => { cut("to_phone", v); return {}; }),
    ...number("Delay of every frame, ms", air.delay_ms, 0, 60000, (v) => ({ air: { delay_ms: v ?? 0 } })),
    ...number("Jitter on top, ms", air.jitter_ms, 0, 60000, (v) => ({ air: { jitter_ms: v ?? 0 } })),
    ...number("MTU offered", air.mtu, 23, 517, (v) => ({ air: { mtu: v } })),
    ...number("MTU that is true", air.true_mtu, 23, 517, (v) => ({ air: { true_mtu: v } })),
    ...number("Slow to wake, ms", air.wake_ms, 0, 60000, (v) => ({ air: { wake_ms: v ?? 0 } })),
    ...number("HELLOs to lose", air.lose_hellos, 0, 99, (v) => ({ air: { lose_hellos: v ?? 0 } })),
    ...number("New address every so many seconds", air.rotate_seconds, 0, 3600, (v) => ({ air: { rotate_seconds: v ?? 0 } })),
    ...box("All connections taken", air.taken, (on) => ({ air: { taken: on } })),
    ...box("Out of range", air.silent, (on) => ({ air: { silent: on } })),
    ...box("An impostor with its name", air.impostor, (on) => ({ air: { impostor: on } })),
    el("h3", {}, "The machine"),
    ...number("Power fails in journal write number", machine.power_cut?.write ?? null, 1, 999, (v) => ({ machine: { power_cut: v === null ? null : { write: v, bytes: 5, dark_ms: 2000 } } })),
    ...number("Clock wrong by seconds", machine.clock_skew, -99999999, 99999999, (v) => ({ machine: { clock_skew: v ?? 0 } })),
    ...box("Clock lost the time", machine.clock_lost, (on) => ({ machine: { clock_lost: on } })),
    ...box("Battery low", machine.low_battery, (on) => ({ machine: { low_battery: on } })),
    ...box("Flash takes no writes", machine.flash_worn, (on) => ({ machine: { flash_worn: on } })));
}

function act(cabinet) {
  const scan = el("input", { id: "scan", placeholder: "text of a QR code", "aria-label": "text of a QR code", style: "flex: 1" });
  const picture = el("input", { type: "file", accept: "image/png", "aria-label": "screenshot with a QR code",
    onchange: async (event) => {
      const file = event.target.files[0];
      if (!file) return;
      const response = await fetch(`/api/cabinets/${cabinet.id}/scanner/image`, { method: "POST", headers: { "content-type": "image/png" }, body: file });
      if (!response.ok) alertLine((await response.json().catch(() => ({}))).error ?? "No code in it");
      await refresh();
    } });
  const parcel = el("input", { placeholder: "parcel id at the hub", "aria-label": "parcel id at the hub", style: "flex: 1" });
  const expired = cabinet.doors.filter((door) => door.inside && door.open);
  return el("div", {},
    el("div", { class: "buttons" },
      el("button", { class: cabinet.on ? null : "main", onclick: () => call(`/cabinets/${cabinet.id}/power`, { on: !cabinet.on }) }, cabinet.on ? "Pull the plug" : "Put the plug back"),
      el("button", { onclick: () => call(`/cabinets/${cabinet.id}/address`) }, "New address"),
      el("button", { onclick: () => { for (const door of cabinet.doors.filter((door) => door.open && !door.obstructed)) call(`/cabinets/${cabinet.id}/doors/${door.door}/close`); } }, "Close all doors"),
      el("button", { disabled: !expired.length, onclick: () => { for (const door of expired) call(`/cabinets/${cabinet.id}/doors/${door.door}/take`); } }, "Empty open doors"),
      el("button", { onclick: () => call(`/cabinets/${cabinet.id}/faults`, undefined, "DELETE") }, "A good day")),
    cabinet.scanner ? el("div", { class: "buttons" }, scan, el("button", { onclick: () => call(`/cabinets/${cabinet.id}/scanner`, { text: scan.value }) }, "Scan"), picture) : null,
    state.courier ? el("div", { class: "buttons" }, parcel, el("button", { class: "main", onclick: () => call(`/cabinets/${cabinet.id}/courier/deposit`, { parcel: parcel.value }) }, "Deposit"),
      el("button", { onclick: () => call(`/cabinets/${cabinet.id}/courier/collect`) }, "Collect expired")) : null);
}

// -- drawing ---------------------------------------------------------------------------------------------------------

function current() { return state?.cabinets.find((cabinet) => cabinet.id === chosen) ?? state?.cabinets[0]; }

function fold(name, title, content) {
  return el("details", { open: openDetails.has(name), ontoggle: (event) => (event.target.open ? openDetails.add(name) : openDetails.delete(name)) },
    el("summary", {}, title), content);
}

function draw() {
  const cabinet = current();
  $("air").textContent = state.air ? `air ${state.air}` : "Bluetooth";
  $("adapter-box").hidden = state.adapter === null;
  if (state.adapter) $("adapter").value = state.adapter;
  $("clock").textContent = clock(state.now);
  $("tabs").replaceChildren(...(state.cabinets.length < 2 ? [] : state.cabinets.map((one) =>
    el("button", { "aria-current": String(one === cabinet), onclick: () => { chosen = one.id; draw(); } }, one.name))));
  if (!cabinet) return;
  // What has the focus keeps it, and what is being typed is not drawn over.
  const focused = document.activeElement;
  if (focused?.matches("input:not([type=checkbox])") && $("main").contains(focused)) return;
  const door = focused?.dataset?.door;
  const key = focused?.getAttribute?.("aria-label");
  const focusId = focused?.id;
  const scrolls = [...document.querySelectorAll(".log, .chain")].map((node) => node.scrollTop);
  const old = new Map([...document.querySelectorAll(".cell")].map((node) => [node.dataset.door, node.classList.contains("open")]));
  $("main").replaceChildren(
    el("div", {},
      el("section", { "aria-label": "Cabinet" }, chips(cabinet), front(cabinet), el("p", { class: "scale" }, "To scale. Arrow keys walk over the doors, Enter shows one.")),
      el("section", { "aria-label": "Courier and hand" }, el("h2", {}, "Courier and hand"), act(cabinet))),
    el("div", {},
      fold("links", "Sessions", links(cabinet)),
      fold("log", "As it happens", log(cabinet)),
      fold("chain", `Receipts (${cabinet.receipts.length})`, chain(cabinet)),
      fold("fate", "Fate", fate(cabinet))));
  // A door that moved swings: it is drawn as it was, and then as it is.
  for (const node of document.querySelectorAll(".cell")) {
    const was = old.get(node.dataset.door);
    const is = node.classList.contains("open");
    if (was !== undefined && was !== is) {
      node.classList.toggle("open", was);
      node.getBoundingClientRect();
      node.classList.toggle("open", is);
    }
  }
  [...document.querySelectorAll(".log, .chain")].forEach((node, index) => { node.scrollTop = scrolls[index] ?? 0; });
  if (door) document.querySelector(`.cell[data-door="${CSS.escape(door)}"]`)?.focus();
  else if (focusId) $(focusId)?.focus();
  else if (key) document.querySelector(`#main [aria-label="${CSS.escape(key)}"]`)?.focus();
  if ($("door-dialog").open) drawDoor();
}

let refreshing = false;
let again = false;
async function refresh() {
  if (refreshing) { again = true; return; }
  refreshing = true;
  try {
    do {
      again = false;
      state = await (await fetch("/api/state")).json();
      draw();
    } while (again);
  } finally { refreshing = false; }
}

$("adapter").addEventListener("change", (event) => call("/adapter", { state: event.target.value }));
const events = new EventSource("/api/events");
events.addEventListener("revision", () => { $("link").hidden = true; refresh(); });
events.addEventListener("error", () => { $("link").textContent = "panel has lost its simulator"; $("link").hidden = false; });
setInterval(() => { if (state) { state.now += 1000; $("clock").textContent = clock(state.now); } }, 1000);
// Latches and springs move by themselves, without a word: look again while one does.
setInterval(() => { if (state?.cabinets.some((cabinet) => cabinet.doors.some((door) => door.energised))) refresh(); }, 120);
