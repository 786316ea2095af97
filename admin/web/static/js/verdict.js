// The verdict: what is wrong, since when, what it takes with it, and the command that tells
// more. It stands above every view.

import { copyButton } from "./copy.js";
import { h, keyed, replace, setAttr, setText } from "./dom.js";
import { bytes, clock, count, millis, percent, plural, rate, span } from "./format.js";
import { badge, hrefOf, levelOf, partLink } from "./words.js";

/** How many findings are shown at once. */
const few = 5;

export class Verdict {
  /** @param {Element} el @param {(text: string) => void} say tells a change to screen readers */
  constructor(el, say) {
    this.say = say;
    this.word = h("h1", { class: "word" });
    this.list = h("ol", { class: "findings" });
    this.more = h("p", { class: "quiet", hidden: true });
    this.facts = h("dl", { class: "facts" });
    this.told = "";
    replace(el, h("div", { class: "what" }, this.word, this.list, this.more), this.facts);
    this.el = el;
  }

  /** @param {import("./model.js").Model} model */
  show(model) {
    const f = model.frame;
    const level = levelOfAll(model);
    setAttr(this.el, "data-verdict", level);
    const word = { ok: "All is well", attention: needs(f.findings.length + (f.more || 0)), draining: "Draining: no new requests" }[f.verdict] || f.verdict;
    if (this.word.dataset.word !== word + level) {
      this.word.dataset.word = word + level;
      replace(this.word, badge(level, f.verdict, word));
    }
    const shown = f.findings.slice(0, few);
    keyed(this.list, shown, keyOf, makeFinding, (el, finding) => showFinding(el, finding, model));
    const hidden = f.findings.length - shown.length + (f.more || 0);
    this.more.hidden = hidden === 0;
    setText(this.more, `and ${count(hidden)} more: foundation status`);
    keyed(this.facts, factsOf(model), (x) => x.name, makeFact, showFact);
    this.tell(f, word);
  }

  /** Says what has changed, and nothing that was said already. @param {any} f @param {string} word */
  tell(f, word) {
    const now = [f.verdict, ...f.findings.map(keyOf)].join("|");
    if (now === this.told) return;
    const first = this.told === "";
    this.told = now;
    if (!first || f.verdict !== "ok") this.say(f.findings.length ? `${word}: ${f.findings[0].text}` : word);
  }
}

/** @param {number} n */
function needs(n) {
  return `${plural(n, "thing")} ${n === 1 ? "needs" : "need"} attention`;
}

/** How bad it is: "bad" if calls are hurt now. @param {import("./model.js").Model} model */
function levelOfAll(model) {
  const f = model.frame;
  if (f.verdict !== "attention") return levelOf(f.verdict);
  const hurts = model.order.some((row) => row.level === "bad") || f.health.status === "fail" || !f.health.live || levelOf(f.memory.level) === "bad";
  return hurts ? "bad" : "warn";
}

/** @param {any} f */
function keyOf(f) {
  return f.kind || f.name ? `${f.kind}/${f.name}` : f.command + f.text.slice(0, 24);
}

/** @param {any} f */
function makeFinding(f) {
  const text = h("span", { class: "text" });
  const open = h("a", { class: "part", href: hrefOf(f.kind, f.name) }, "Open");
  const command = h("code");
  const takes = h("span", { class: "takes" });
  const li = h("li", null, text, takes, h("span", { class: "next" }, f.kind ? open : null, command, copyButton(() => command.textContent || "", "Copy the command")));
  return Object.assign(li, { text, takes, command });
}

function showFinding(el, f) {
  setText(el.text, f.text);
  setText(el.command, f.command);
  el.command.hidden = !f.command;
  keyed(el.takes, f.takes, (t) => t, (t) => partLink(t));
}

/**
 * What stands beside the verdict.
 * @param {import("./model.js").Model} model
 * @returns {{name: string, value: string, more?: string, level?: string, href?: string}[]}
 */
function factsOf(model) {
  const f = model.frame, t = f.totals, m = f.memory, c = f.config;
  const failed = !c.last_reload_successful && c.last_reload_error;
  const age = millis(c.applied_at) ? `for ${span(model.ago(c.applied_at))}` : "";
  return [
    { name: "Traffic", value: rate(t.now_rate), more: `${count(t.in_flight)} in flight` },
    { name: "Failing", value: rate(t.failed_rate), level: t.failed_rate > 0 ? "warn" : "ok", more: t.rate ? percent(t.failed_rate / t.rate) : "" },
    { name: "Refused", value: rate(t.refused_rate), level: t.refused_rate > 0 ? "warn" : "ok", more: t.refused_by.slice(0, 2).map((r) => `${r.reason.replaceAll("_", " ")} ${rate(r.rate)}`).join(", ") },
    { name: "Breakers", value: t.not_closed ? `${count(t.not_closed)} not closed` : "all closed", level: t.not_closed ? "bad" : "ok", href: "#/" },
    { name: "Health", value: `${f.score} of 100`, level: levelOf(f.health.status), more: f.deductions.slice(0, 2).map((d) => `${d.component} ${d.why} −${d.points}`).join(", "), href: "#/health" },
    { name: "Memory", value: m.level, level: levelOf(m.level), more: m.simulated ? "simulated" : m.limit ? `${percent(m.ratio)} of ${bytes(m.limit)}` : "", href: "#/memory" },
    { name: "Alerts", value: f.alerts.firing ? `${f.alerts.firing} firing` : "none", level: f.alerts.firing ? "bad" : "ok", more: f.alerts.silenced ? `${f.alerts.silenced} silenced` : "", href: "#/alerts" },
    { name: "Revision", value: `${c.revision}${c.drifted ? ", drifted" : ""}`, level: failed ? "bad" : c.drifted ? "warn" : "ok", more: failed ? `reload at ${clock(millis(c.last_reload_at))} refused` : age, href: "#/config" },
    { name: "Overrides", value: f.overrides.length ? `${f.overrides.length} in force` : "none", level: f.overrides.length ? "warn" : "ok", more: f.overrides.length ? f.overrides[0].reason : "", href: "#/overrides" },
  ];
}

/** @param {any} x */
function makeFact(x) {
  const value = h(x.href ? "a" : "span", { class: "value", href: x.href });
  const more = h("span", { class: "more" });
  return Object.assign(h("div", null, h("dt", null, x.name), h("dd", null, value, more)), { value, more });
}

/** @param {any} el @param {any} x */
function showFact(el, x) {
  const glyph = x.level === "bad" ? "✖ " : x.level === "warn" ? "▲ " : "";
  setText(el.value, glyph + x.value);
  setAttr(el, "class", x.level || "ok");
  setText(el.more, x.more || "");
  setAttr(el.more, "title", x.more || null);
}
