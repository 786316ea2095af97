// What somebody has overridden, why, and until when.

import { button, release } from "./actions.js";
import { change } from "./api.js";
import { ask, howLongOrEver } from "./ask.js";
import { h, keyed, setText } from "./dom.js";
import { millis, moment, span } from "./format.js";
import { badge } from "./words.js";

const kindWords = { breaker: "Breaker", memory: "Memory", log_level: "Level of the log" };

export class Overrides {
  /** @param {import("./address.js").Place} _place @param {import("./app.js").App} app */
  constructor(_place, app) {
    this.app = app;
    this.list = h("ul", { class: "overrides" });
    this.none = h("p", { class: "calm" }, "There are no overrides: every part decides by itself.");
    this.actions = h("div", { class: "actions" });
    this.el = h("div", { class: "view" }, h("div", { class: "title" }, h("h2", null, "Overrides"), this.actions), this.none, this.list);
  }

  /** @param {import("./model.js").Model} model */
  show(model) {
    if (this.app.me.write && !this.actions.firstChild) this.actions.append(button("Set the level of the log …", () => this.logLevel()));
    const all = model.frame.overrides;
    this.none.hidden = all.length > 0;
    keyed(this.list, all, (o) => `${o.kind}/${o.name}/${o.member}/${o.state}/${o.since}/${this.app.me.write}`, (o) => this.make(o), (el, o) => setText(el.left, left(o, model)));
  }

  /** @param {any} o */
  make(o) {
    const until = h("span");
    const end = this.app.me.write ? button(o.kind === "breaker" ? "Release …" : "End …", () => this.end(o), "main") : null;
    const el = h("li", { class: "panel" }, h("strong", null, `${kindWords[o.kind] || o.kind} ${o.name}${o.member ? ` (${o.member})` : ""}`), badge("warn", o.state), until,
      h("blockquote", null, o.reason || "no reason was given"), h("span", { class: "quiet" }, `by ${o.actor}${millis(o.since) ? `, ${moment(millis(o.since))}` : ""}`), end);
    return Object.assign(el, { left: until });
  }

  /** @param {any} o */
  end(o) {
    if (o.kind === "breaker") return release(o.name, o.member, this.app, (p) => p);
    if (o.kind === "log_level") return this.logLevel();
    return ask(this.app, {
      title: "End the simulation", text: "Memory is what is measured again.", verb: "End", done: "The simulation has ended",
      run: (v) => change("POST", "v1/memory/simulate", { level: "normal", for_seconds: 0, reason: v.reason }),
    });
  }

  logLevel() {
    ask(this.app, {
      title: "Level of the log", text: "It changes at once, and goes back by itself.", verb: "Set",
      fields: [{ name: "level", label: "Level", value: "debug", options: ["debug", "info", "warn", "error"].map((l) => [l, l]) }, howLongOrEver],
      run: (v) => change("PUT", "v1/log_level", { level: v.level, for_seconds: Number(v.for), reason: v.reason }), done: "The level of the log is set",
    });
  }
}

/** @param {any} o @param {import("./model.js").Model} model */
function left(o, model) {
  const until = millis(o.until);
  return until ? `${span((until - model.now) / 1000)} left, until ${moment(until, model.now)}` : "until it is released";
}
