// Memory: the level with its thresholds, what is used of each limit, what is refused, and what
// the cleaners gave back.

import { change } from "./api.js";
import { button } from "./actions.js";
import { ask, howLong, problemEl } from "./ask.js";
import { h, replace, svg } from "./dom.js";
import { bytes, count, digits, percent, span, took } from "./format.js";
import { panel, table } from "./panel.js";
import { Resource } from "./resource.js";
import { badge, levelOf } from "./words.js";

const levels = ["normal", "elevated", "high", "critical"];

export class Memory {
  /** @param {import("./address.js").Place} _place @param {import("./app.js").App} app */
  constructor(_place, app) {
    this.app = app;
    this.body = h("div", null, h("p", { class: "calm" }, "Asking …"));
    this.source = new Resource(app, () => "v1/memory", 2000, (m) => this.draw(m), (err) => replace(this.body, problemEl(err)));
    this.actions = h("div", { class: "actions" });
    this.el = h("div", { class: "view" }, h("div", { class: "title" }, h("h2", null, "Memory"), this.actions), this.body);
  }

  show() {
    if (this.app.me.write && !this.actions.firstChild) this.actions.append(button("Simulate …", () => this.simulate()));
    this.source.poll();
  }

  simulate() {
    ask(this.app, {
      title: "Simulate that memory is short", text: "Calls are refused by priority as if it were so. “normal” ends a simulation.", verb: "Simulate", danger: true,
      fields: [{ name: "level", label: "Level", value: "high", options: levels.map((l) => [l, l]) }, { ...howLong, options: howLong.options.slice(0, 3), value: "60" }],
      run: (v) => change("POST", "v1/memory/simulate", { level: v.level, for_seconds: v.level === "normal" ? 0 : Number(v.for), reason: v.reason }).then((m) => this.draw(m)),
      done: "Memory is simulated",
    });
  }

  /** @param {any} m */
  draw(m) {
    const sim = m.simulation, level = levelOf(m.level);
    const stale = m.stale ? "The sample is old: no call is refused for it." : "";
    replace(this.body,
      panel("Level", h("p", { class: "sentence" }, badge(level, m.level), ` for ${span(m.since_seconds)}`, m.cause ? `: ${m.cause}` : "", sim.level ? ` (simulated by ${sim.actor}, ${span(sim.remaining_seconds)} left: ${sim.reason}; measured: ${m.measured})` : ""),
        stale ? h("p", { class: "bad" }, stale) : null, m.limit_seconds ? h("p", null, `At the present pace the limit is reached in ${span(m.limit_seconds)}.`) : null,
        m.limits.map((l) => gauge(l, m.levels)), m.unread.length ? h("p", { class: "quiet" }, `Could not be read: ${m.unread.join(", ")}`) : null),
      panel("Calls by priority", table(["Priority", "Refused now", "Refused so far"], m.priorities.map((p) => [p.priority.replace("_", " "), p.refused ? percent(p.refused) : "none", count(p.shed)]))),
      panel("Heap", table(["Live", "Goal", "Objects", "Mapped", "GC", "Stalls of 10 s"], [[bytes(m.heap.live), bytes(m.heap.goal), bytes(m.heap.objects), bytes(m.heap.mapped), `${percent(m.heap.gc_cpu)} of the processors`, m.stalls.known ? `${digits(m.stalls.some)} % some, ${digits(m.stalls.full)} % all` : "not known"]])),
      panel("Cleaners", table(["Cleaner", "From level", "Runs", "Failures", "Freed", "Last", "Use fell by", "Took"], m.cleaners.map(cleaner))),
    );
  }

  close() {
    this.source.close();
  }
}

/** @param {any} c */
function cleaner(c) {
  return [c.name, c.min_level, count(c.runs), c.failures ? `${count(c.failures)}: ${c.last_error}` : "none", bytes(c.freed), c.runs ? `${span(c.last_ago_seconds)} ago` : "never", c.runs ? bytes(c.last_measured) : "–", c.runs ? took(c.last_took_seconds) : "–"];
}

/** What is used of a limit, with where the levels begin. @param {any} l @param {any[]} thresholds */
function gauge(l, thresholds) {
  const text = `${l.source}: ${bytes(l.used)} of ${bytes(l.limit)}, ${percent(l.ratio)}`;
  const reached = thresholds.filter((t) => l.ratio >= t.enter).at(-1);
  const marks = thresholds.map((t) => svg("line", { x1: t.enter * 1000, x2: t.enter * 1000, y1: 0, y2: 16, class: levelOf(t.level) }));
  const picture = svg("svg", { viewBox: "0 0 1000 16", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "all", width: 1000, height: 16 }), svg("rect", { class: reached ? levelOf(reached.level) : "ok", width: Math.min(1, l.ratio) * 1000, height: 16 }), marks);
  return h("div", { class: "gauge" }, h("span", null, text), picture, h("span", { class: "quiet" }, thresholds.map((t) => `${t.level} from ${percent(t.enter)}, left below ${percent(t.exit)}`).join("; ")));
}
