// A state is a glyph, a word and a colour: never a colour alone.

import { h, setText } from "./dom.js";

/** Glyphs of states; what is not here has that of its level. */
const glyphs = { closed: "●", "half-open": "◐", open: "○", "forced-open": "⚠", "forced-closed": "⚠" };
const levelGlyphs = { bad: "✖", warn: "▲", note: "◆", ok: "●", idle: "–" };

/** The word for a state, where it is another than the API's. */
const words = {
  open: "OPEN", "forced-open": "forced open", "forced-closed": "forced closed", leave: "callers give up", idle: "no traffic", half: "half-open",
};

/** The order of levels, the worst first. */
export const levels = ["bad", "warn", "note", "ok", "idle"];

/** The word for a kind, one and many. */
export const kinds = {
  guard: ["guard", "Guards"], breaker: ["breaker", "Breakers"], rate_limit: ["rate limit", "Rate limits"], pool: ["pool", "Pools"],
  route: ["route", "Routes"], upstream: ["upstream", "Upstreams"], memory: ["memory", "Memory"], check: ["check", "Checks"], service: ["service", "Services"],
};

/** @param {string} state @param {string} level */
export function glyphOf(state, level) {
  return glyphs[state] || levelGlyphs[level] || "●";
}

/** @param {string} state */
export function wordOf(state) {
  return words[state] || state.replaceAll("_", " ");
}

/** An element that shows a state; showState changes it. @returns {HTMLElement} */
export function stateEl() {
  return h("span", { class: "state" }, h("span", { "aria-hidden": "true", class: "glyph" }), h("span", { class: "word" }));
}

/** @param {any} el @param {string} level @param {string} state @param {string} [text] in place of the word for the state */
export function showState(el, level, state, text) {
  if (el.level !== level) el.className = `state ${(el.level = level)}`;
  setText(el.firstChild, glyphOf(state, level));
  setText(el.lastChild, text || wordOf(state));
}

/** @param {string} level @param {string} state @param {string} [text] */
export function badge(level, state, text) {
  const el = stateEl();
  showState(el, level, state, text);
  return el;
}

/** The level of what other answers call by another word. @param {string} word */
export function levelOf(word) {
  const of = {
    pass: "ok", warn: "warn", fail: "bad", unknown: "note", error: "bad", warning: "warn", info: "ok", firing: "bad", suppressed: "note", silenced: "note", resolved: "ok",
    normal: "ok", elevated: "note", high: "warn", critical: "bad", off: "idle", running: "ok", starting: "note", backing_off: "bad", failed: "bad", stopped: "idle",
    completed: "ok", applied: "ok", refused: "bad", attention: "warn", ok: "ok", draining: "note",
  };
  return of[word] || "note";
}

/** The place of a part on this page. @param {string} kind @param {string} name */
export function hrefOf(kind, name) {
  if (kind === "memory") return "#/memory";
  if (kind === "check" || kind === "service" || kind === "health") return "#/health";
  if (kind === "config") return "#/config";
  return kinds[kind] ? `#/${kind}/${encodeURIComponent(name)}` : "#/";
}

/** A link to a part by the words of the API, as in "route pay"; text where it names none. @param {string} text */
export function partLink(text) {
  const kind = Object.keys(kinds).find((k) => text.startsWith(k.replace("_", " ") + " ") || text.startsWith(k + " "));
  return kind ? h("a", { class: "part", href: hrefOf(kind, text.slice(kind.length + 1)) }, text) : h("span", { class: "part" }, text);
}
