// Single keys lead through every page. They rest while a person types, and can be switched off.

import { copyText, say } from "./copy.js";

const KEYS = [
  ["j  k", "next and previous row"],
  ["Enter", "open the row"],
  ["w", "why: the candidate of the row, or what the run selected"],
  ["/", "search"],
  ["f", "the first field of the filter"],
  ["[  ]", "previous and next step, or run of the list you came from"],
  ["g r", "runs"],
  ["g s", "steps"],
  ["g t", "trends"],
  ["g h", "help"],
  [".", "hold the live list of runs, and let it go on"],
  ["c", "copy the API call as curl"],
  ["y", "copy the address of this page"],
  ["d", "light, dark, or as the system has it"],
  ["Esc", "leave a field or a row"],
  ["?", "this list"],
];
const PLACES = { r: "/ui/runs", s: "/ui/steps", t: "/ui/trends", h: "/ui/help" };
const THEMES = ["light", "dark", "system"];
const SEQUENCE_MS = 1500;
const TYPED_IN = "input, select, textarea, [contenteditable]";
const ACTS = {
  j: () => move(1),
  k: () => move(-1),
  w: openWhy,
  "/": () => enter(".find input"),
  f: () => enter("form.ask input, form.ask select"),
  "[": () => follow(-1),
  "]": () => follow(1),
  c: copyCall,
  y: () => copyText(location.href),
  d: () => setTheme(THEMES[(THEMES.indexOf(readTheme()) + 1) % THEMES.length], true),
  "?": showKeys,
};

let isAfterG = 0;
let dialog = null;

noteRuns();
fillSettings();
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Escape") return leave();
  if (!areOn() || dialog?.open || event.target.closest?.(TYPED_IN)) return;
  const place = event.timeStamp - isAfterG < SEQUENCE_MS && isAfterG ? PLACES[event.key] : null;
  isAfterG = event.key === "g" ? event.timeStamp : 0;
  if (!place && !ACTS[event.key]) return;
  event.preventDefault();
  if (place) location.assign(place);
  else ACTS[event.key]();
});

function areOn() {
  return localStorage.getItem("keys") !== "off";
}

function rows() {
  return [...document.querySelectorAll("main .list tbody tr")].filter(
    (row) => row.getClientRects().length && mainLink(row),
  );
}

function mainLink(row) {
  return row.querySelector("th a[href]") ?? row.querySelector("a[href]");
}

function currentRow() {
  const row = document.activeElement?.closest?.("main .list tbody tr");
  return row && mainLink(row) ? row : null;
}

function move(by) {
  const all = rows();
  if (!all.length) return;
  const at = all.indexOf(currentRow());
  const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by));
  mainLink(all[next]).focus({ preventScroll: true });
  all[next].scrollIntoView({ block: "nearest" });
}

function openWhy() {
  const link = (currentRow() ?? document.querySelector("main")).querySelector('a[href*="/why?"]');
  if (link) link.click();
  else say(currentRow() ? "This row is no candidate" : "Select a candidate first, with j and k");
}

function enter(selector) {
  const field = document.querySelector(selector);
  if (!field) return say("There is nothing to filter on this page");
  field.focus();
  field.select?.();
}

function leave() {
  if (dialog?.open) return;
  if (document.activeElement !== document.body) document.activeElement?.blur();
}

// A list of runs is remembered, so that one run leads to the next of the list.
function noteRuns() {
  const shown = [...document.querySelectorAll("table.runs tbody th a")];
  if (shown.length) sessionStorage.setItem("runs", JSON.stringify(shown.map((link) => link.pathname)));
}

function follow(by) {
  const link = document.querySelector(`.beside a[rel="${by > 0 ? "next" : "prev"}"]`);
  if (link) return link.click();
  const listed = JSON.parse(sessionStorage.getItem("runs") ?? "[]");
  const at = listed.indexOf(location.pathname);
  if (at < 0 || !listed[at + by]) say(by > 0 ? "There is none after this one" : "There is none before this one");
  else location.assign(listed[at + by]);
}

function copyCall() {
  const call = document.querySelector(".call .curl");
  if (!call) return say("No API call is behind this page");
  copyText(call.textContent);
}

function readTheme() {
  const theme = localStorage.getItem("theme");
  return THEMES.includes(theme) ? theme : "system";
}

function setTheme(theme, isSaid) {
  localStorage.setItem("theme", theme);
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  for (const choice of document.querySelectorAll('[name="theme"]')) choice.checked = choice.value === theme;
  if (isSaid) say(theme === "system" ? "As the system has it" : `${theme[0].toUpperCase()}${theme.slice(1)}`);
}

function setKeys(isOn) {
  localStorage.setItem("keys", isOn ? "on" : "off");
  for (const box of document.querySelectorAll('[name="keys"]')) box.checked = isOn;
}

function keySwitch() {
  const label = document.createElement("label");
  const box = document.createElement("input");
  Object.assign(box, { type: "checkbox", name: "keys", checked: areOn() });
  box.addEventListener("change", () => setKeys(box.checked));
  label.append(box, " Single keys do something");
  return label;
}

function showKeys() {
  if (!dialog) {
    dialog = document.createElement("dialog");
    dialog.className = "keys";
    dialog.setAttribute("aria-labelledby", "keys-title");
    const title = document.createElement("h2");
    title.id = "keys-title";
    title.textContent = "Keys";
    const form = document.createElement("form");
    form.method = "dialog";
    const close = document.createElement("button");
    close.textContent = "Close";
    form.append(keySwitch(), close);
    dialog.append(title, listKeys(), form);
    document.body.append(dialog);
  }
  dialog.showModal();
}

function listKeys() {
  const list = document.createElement("dl");
  for (const [keys, means] of KEYS) {
    const term = document.createElement("dt");
    for (const key of keys.split(/\s+/)) {
      const cap = document.createElement("kbd");
      cap.textContent = key;
      term.append(cap, " ");
    }
    const meaning = document.createElement("dd");
    meaning.textContent = means;
    list.append(term, meaning);
  }
  return list;
}

// Pages that explain the keys, or switch them, have places for both.
function fillSettings() {
  document.querySelector("[data-keys-list]")?.replaceChildren(listKeys());
  document.querySelector("[data-keys-switch]")?.replaceChildren(keySwitch());
  for (const part of document.querySelectorAll("[data-switches]")) part.hidden = false;
  for (const opener of document.querySelectorAll("[data-keys-open]")) {
    opener.hidden = false;
    opener.addEventListener("click", showKeys);
  }
  for (const choice of document.querySelectorAll('[name="theme"]')) {
    choice.checked = choice.value === readTheme();
    choice.addEventListener("change", () => setTheme(choice.value, false));
  }
}
