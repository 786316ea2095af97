// Health: the score with its deductions, and the tree with the root causes at the top and
// below each what it takes with it; then the services.

import { change, path } from "./api.js";
import { button } from "./actions.js";
import { ask, problemEl } from "./ask.js";
import { h, replace } from "./dom.js";
import { count, millis, moment, plural, span, took } from "./format.js";
import { panel, table } from "./panel.js";
import { Resource } from "./resource.js";
import { badge, hrefOf, levelOf, wordOf } from "./words.js";

export class Health {
  /** @param {import("./address.js").Place} _place @param {import("./app.js").App} app */
  constructor(_place, app) {
    this.app = app;
    this.body = h("div", null, h("p", { class: "calm" }, "Asking …"));
    this.services = h("div");
    this.sources = [
      new Resource(app, () => "v1/health", 3000, (x) => this.draw(x), (err) => replace(this.body, problemEl(err))),
      new Resource(app, () => "v1/services", 5000, (x) => this.drawServices(x.items)),
    ];
    this.el = h("div", { class: "view" }, h("div", { class: "title" }, h("h2", null, "Health")), this.body, this.services);
  }

  show() {
    for (const s of this.sources) s.poll();
  }

  /** @param {any} x */
  draw(x) {
    const roots = x.components.filter((c) => c.status !== "pass" && !c.impacted);
    const well = x.components.filter((c) => c.status === "pass");
    const checks = x.components.filter((c) => c.is_check);
    replace(this.body,
      panel("Score", h("p", { class: "sentence" }, badge(levelOf(x.status), x.status), ` ${x.score} of 100. `, x.ready ? "Ready" : `Not ready: ${x.not_ready.join(", ")}`, "; ", x.live ? "live." : `not live: ${x.not_live.join(", ")}.`),
        x.deductions.length ? table(["Deduction", "Points", "Because"], x.deductions.map((d) => [d.component, `−${d.points}`, d.why])) : null),
      panel("Root causes", roots.length ? h("ul", { class: "tree" }, roots.map((c) => branch(c, x.components, new Set()))) : h("p", { class: "calm" }, `All of ${plural(x.components.length, "component")} are well.`)),
      panel("Checks", table(["Check", "Status", "Last run", "Took", "Every", "In a row", "Criticality", "Depends on"], checks.map(check), "No checks are configured.")),
      panel("Passing", h("p", { class: "flow" }, well.map((c) => h("span", null, badge("ok", "pass", c.name), " ")))),
    );
  }

  /** @param {any[]} items */
  drawServices(items) {
    const restart = (s) => (this.app.me.write ? button("Restart …", () => ask(this.app, {
      title: "Restart", text: `Service ${s.name} is stopped and started anew.`, verb: "Restart", done: `Service ${s.name} was restarted`,
      run: (v) => change("POST", path("v1/services", s.name, "restart"), { reason: v.reason }).then(() => this.sources[1].again()),
    })) : "");
    replace(this.services, panel("Services", table(["Service", "State", "For", "Started", "Failures", "Last error", ""], items.map((s) => [
      s.name, badge(levelOf(s.state), s.state), span(s.since_seconds), plural(s.incarnation, "time"), count(s.total_failures), s.last_error || "none", restart(s)]), "There are no services.")));
  }

  close() {
    for (const s of this.sources) s.close();
  }
}

/** A component that is not well, with those that it takes with it. @param {any} c @param {any[]} all @param {Set<string>} above */
function branch(c, all, above) {
  const within = new Set(above).add(c.name);
  const below = all.filter((o) => o.impacted && !within.has(o.name) && (o.depends_on.includes(c.name) || (!above.size && o.causes.includes(c.name) && !o.depends_on.some((d) => all.some((x) => x.name === d && x.impacted)))));
  return h("li", null, badge(levelOf(c.status), c.status), name(c), h("span", null, ` for ${span(c.since_seconds)}${c.output ? `: ${c.output}` : ""}`), flags(c),
    below.length ? h("ul", null, below.map((o) => branch(o, all, within))) : null);
}

/** @param {any} c */
function name(c) {
  const kind = { breakers: "breaker", pools: "pool", guards: "guard", rate_limits: "rate_limit", memory: "memory" }[c.name.split("/")[0]];
  return kind ? h("a", { href: hrefOf(kind, c.name.split("/").slice(1).join("/")) }, c.name) : h("strong", null, c.name);
}

/** @param {any} c */
function flags(c) {
  const words = [c.criticality, c.readiness ? "decides over readiness" : "", c.liveness ? "decides over liveness" : "", c.stale ? "stale" : "", c.flapping ? "flapping" : "", c.hanging ? "hanging" : ""].filter(Boolean);
  return h("span", { class: "quiet" }, ` ${words.join(", ")}`);
}

/** @param {any} c */
function check(c) {
  const state = badge(levelOf(c.status), c.status, `${c.status} for ${span(c.since_seconds)}${c.output ? `: ${c.output}` : ""}`);
  return [c.name, [state, flags(c)], millis(c.last_at) ? `${wordOf(c.outcome)} ${moment(millis(c.last_at))}` : "not run", took(c.last_seconds), span(c.every_seconds), count(c.in_a_row), c.criticality, c.depends_on.join(", ") || "nothing"];
}
