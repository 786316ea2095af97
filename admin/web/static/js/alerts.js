// Alerts that are on and those that have ended, and the silences.

import { change, path } from "./api.js";
import { because, button, silence } from "./actions.js";
import { ask, problemEl } from "./ask.js";
import { h, replace } from "./dom.js";
import { millis, moment, span } from "./format.js";
import { panel, table } from "./panel.js";
import { Resource } from "./resource.js";
import { badge, hrefOf, levelOf } from "./words.js";

export class Alerts {
  /** @param {import("./address.js").Place} _place @param {import("./app.js").App} app */
  constructor(_place, app) {
    this.app = app;
    this.on = h("div", null, h("p", { class: "calm" }, "Asking …"));
    this.silences = h("div");
    this.sources = [
      new Resource(app, () => "v1/alerts", 3000, (x) => this.draw(x.items), (err) => replace(this.on, problemEl(err))),
      new Resource(app, () => "v1/silences", 3000, (x) => this.drawSilences(x.items)),
    ];
    this.el = h("div", { class: "view" }, h("div", { class: "title" }, h("h2", null, "Alerts")), this.on, this.silences);
  }

  show() {
    for (const s of this.sources) s.poll();
  }

  again() {
    for (const s of this.sources) s.again();
  }

  /** @param {any[]} items */
  draw(items) {
    const on = items.filter((a) => a.state !== "resolved"), over = items.filter((a) => a.state === "resolved");
    const then = (p) => p.then(() => this.again());
    const act = (a) => (this.app.me.write && a.state === "firing" ? button("Silence …", () => silence(a.operation, this.app, then, a.kind)) : "");
    replace(this.on,
      panel("On now", table(["Operation", "State", "Kind", "What", "For", ""], on.map((a) => [operation(a), badge(a.state === "firing" ? levelOf(a.severity) : "note", a.state), a.kind, [a.text, aside(a)], span(a.since_seconds), act(a)]), "No alert is on.")),
      panel("Ended", table(["Operation", "Kind", "What", "From", "Until"], over.map((a) => [operation(a), a.kind, [a.text, a.accepted ? h("span", { class: "quiet" }, " (has lasted, and is normal now)") : ""], moment(millis(a.since)), moment(millis(a.resolved_at))]), "None has ended.")));
  }

  /** @param {any[]} items */
  drawSilences(items) {
    const end = (s) => (this.app.me.write ? button("End …", () => ask(this.app, {
      title: "End the silence", text: `Somebody is called again for alerts of ${s.operation}.`, verb: "End", done: "The silence has ended",
      run: (v) => change("DELETE", because(path("v1/silences", s.operation) + (s.kind ? `?kind=${encodeURIComponent(s.kind)}` : ""), v.reason)).then(() => this.again()),
    })) : "");
    replace(this.silences, panel("Silences", table(["Operation", "Kind", "By", "Reason", "Left", ""], items.map((s) => [s.operation, s.kind || "all", s.actor, s.reason, span(s.remaining_seconds), end(s)]), "Nothing is silenced.")));
  }

  close() {
    for (const s of this.sources) s.close();
  }
}

/** @param {any} a */
function operation(a) {
  const route = a.operation.startsWith("route:");
  return h("a", { href: route ? hrefOf("route", a.operation.slice(6)) : hrefOf("guard", a.operation) }, a.operation);
}

/** @param {any} a */
function aside(a) {
  const text = a.state === "suppressed" ? ` stands behind ${a.suppressed_by}` : a.state === "silenced" ? ` silenced by ${a.silenced_by}: ${a.silence_reason}, ${span(a.silence_seconds)} left` : "";
  return h("span", { class: "quiet" }, text);
}
