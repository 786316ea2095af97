// What happened, for the lines across every plot: changes of the configuration, transitions of
// the part that is shown, levels of memory, alerts, and what somebody has noted.

import { query } from "./api.js";
import { millis } from "./format.js";
import { Resource } from "./resource.js";

const components = ["config_server", "circuit_breaker", "memory_manager", "annotation", "performance_monitor", "supervisor"];
const glyphs = { config_server: "⚙", circuit_breaker: "◐", memory_manager: "▤", annotation: "✎", performance_monitor: "!", supervisor: "↻" };

/** How many there are at most in a plot. */
const most = 40;

/**
 * @param {import("./app.js").App} app
 * @param {() => string} since how long ago, as in "1h"
 * @param {Set<string>} names the parts whose transitions belong here
 * @param {() => void} changed
 */
export function annotations(app, since, names, changed) {
  const it = { marks: [], poll: () => {}, close: () => {} };
  let newest = -1;
  const path = () => query("v1/events", { component: components, since: since(), order: "descending", limit: 400 });
  const resource = new Resource(app, path, 3000, (answer) => {
    it.marks = answer.items.filter((e) => belongs(e, names)).slice(0, most).map(mark).reverse();
    changed();
  }, () => {});
  it.poll = () => {
    if (!app.model.frame.storage.kind) return;
    if (app.model.frame.storage.newest === newest && resource.asked === path()) return;
    newest = app.model.frame.storage.newest;
    resource.poll();
  };
  it.close = () => resource.close();
  return it;
}

/** @param {any} e @param {Set<string>} names */
function belongs(e, names) {
  if (e.component === "performance_monitor") return names.has(e.name) || names.has(e.name.replace(/^route:/, ""));
  if (e.component === "circuit_breaker") return names.has(e.name) && notable(e.data || {});
  if (e.component === "supervisor") return e.severity !== "info";
  return e.type !== "memory_manager.cleanup_executed";
}

/** Whether a transition begins or ends something: probes that fail are in the band. @param {any} d */
function notable(d) {
  return Boolean(d.actor || d.forced) || (d.from || "closed") === "closed" || (d.to || "closed") === "closed";
}

/** @param {any} e */
function mark(e) {
  const level = e.severity === "error" ? "bad" : e.severity === "warning" ? "warn" : "note";
  return { at: millis(e.time) / 1000, glyph: glyphs[e.component] || "·", text: sentence(e), level, seq: e.seq };
}

/** An event in a few words. @param {any} e */
export function sentence(e) {
  const d = e.data || {};
  const by = d.actor ? ` by ${d.actor}` : "";
  const why = d.reason ? ` (${d.reason})` : "";
  switch (e.type) {
    case "circuit_breaker.state_change":
      return `${e.name}: ${d.from || "closed"} → ${d.forced ? "forced " : ""}${d.to || "closed"}, ${String(d.cause || "").replaceAll("_", " ")}${evidence(d.evidence)}${by}${why}`;
    case "config_server.applied":
      return `revision ${d.revision || ""}${by}${why}`;
    case "config_server.rejected":
      return `change refused${by}${d.error ? `: ${d.error}` : ""}`;
    case "config_server.rolled_back":
      return `rolled back to revision ${d.to || d.revision || ""}${by}${why}`;
    case "memory_manager.pressure_changed":
      return `memory ${d.from || "normal"} → ${d.to || "normal"}`;
    case "health_aggregator.status_changed":
      return `${e.name}: ${d.from || "unknown"} → ${d.to || "pass"}${d.output ? `: ${d.output}` : ""}`;
    case "guard.refused":
      return `${e.name}: ${d.refused || d.count || ""} refused ${String(d.code || "").replaceAll("_", " ")}`;
  }
  if (e.component === "annotation") return `${e.type} ${e.name}${rest(d)}${by}${why}`;
  return `${e.type.replace(/^[a-z_]+\./, "").replaceAll("_", " ")} ${e.name}${d.text ? `: ${d.text}` : ""}${by}${why}`.trim();
}

/** What else an annotation says: version 1.4.2, build 77. @param {Record<string, any>} data */
function rest(data) {
  const parts = Object.entries(data).filter(([name, v]) => name !== "actor" && name !== "reason" && typeof v !== "object").map(([name, v]) => `${name} ${v}`);
  return parts.length ? `: ${parts.join(", ")}` : "";
}

/** @param {any[]} [facts] */
function evidence(facts) {
  if (!Array.isArray(facts)) return "";
  const bounded = facts.find((f) => f.bounded);
  return bounded ? ` (${bounded.name.replaceAll("_", " ")} ${Math.round(bounded.value * 100) / 100} ≥ ${bounded.limit})` : "";
}
