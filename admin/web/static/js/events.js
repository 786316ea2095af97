// What happened and who did it, the newest first, going on as it happens.

import { remember } from "./address.js";
import { button } from "./actions.js";
import { sentence } from "./annotations.js";
import { change, get, query } from "./api.js";
import { ask, problemEl } from "./ask.js";
import { copyButton } from "./copy.js";
import { h, keyed, replace, setText } from "./dom.js";
import { millis, moment } from "./format.js";
import { badge, hrefOf, levelOf } from "./words.js";

const page = 100;
/** So many are kept in the page; older ones are a filter away. */
const most = 500;

/** The parameters of the filter, with what can be chosen. @type {[string, string, [string, string][]|null][]} */
const filters = [
  ["type", "Type, as in circuit_breaker.*", null],
  ["name", "Name", null],
  ["severity", "Severity", [["", "any severity"], ["warning", "warnings and errors"], ["error", "errors"]]],
  ["component", "Component", [["", "any component"], ...["annotation", "circuit_breaker", "config_server", "connection_pool", "event_store", "guard", "health_aggregator", "memory_manager", "performance_monitor", "rate_limiter", "supervisor"].map((c) => /** @type {[string, string]} */ ([c, c.replaceAll("_", " ")]))]],
  ["since", "Since", [["", "any time"], ["15m", "15 minutes"], ["1h", "1 hour"], ["24h", "1 day"]]],
  ["correlation", "Correlation", null],
];

export class Events {
  /** @param {import("./address.js").Place} place @param {import("./app.js").App} app */
  constructor(place, app) {
    this.app = app;
    this.values = Object.fromEntries(filters.map(([name]) => [name, place.query.get(name) || ""]));
    this.newest = 0;
    /** @type {any[]} */
    this.items = [];
    this.asking = false;
    this.round = 0;
    this.more = button("Older ones", () => this.older(), "quiet");
    this.more.hidden = true;
    this.list = h("ol", { class: "events" });
    this.wrong = h("div", { class: "wrong" });
    this.none = h("p", { class: "calm" }, "Asking …");
    this.actions = h("div", { class: "actions" });
    this.el = h("div", { class: "view" }, h("div", { class: "title" }, h("h2", null, "Events"), this.actions), this.tools(), this.wrong, this.none, this.list, this.more);
    this.begin();
  }

  tools() {
    const inputs = filters.map(([name, label, options]) => {
      const on = { change: () => this.filter(name, input.value.trim()) };
      const input = options ? h("select", { "aria-label": label, on }, options.map(([v, t]) => h("option", { value: v, selected: v === this.values[name] }, t)))
        : h("input", { type: "search", "aria-label": label, placeholder: label, value: this.values[name], on });
      return input;
    });
    return h("form", { class: "tools", role: "search", on: { submit: (e) => e.preventDefault() } }, inputs);
  }

  /** @param {string} name @param {string} value */
  filter(name, value) {
    this.values[name] = value;
    remember(name, value);
    this.begin();
  }

  begin() {
    this.round++;
    this.items = [];
    this.newest = 0;
    this.load({ order: "descending" }, (items) => (this.items = items));
  }

  /** Asks for a page. @param {Record<string, any>} more @param {(items: any[], answer: any) => void} take */
  async load(more, take) {
    const round = this.round;
    this.asking = true;
    try {
      const answer = await get(query("v1/events", { ...this.values, limit: page, ...more }));
      if (round !== this.round) return;
      take(answer.items, answer);
      this.more.hidden = this.items.length < page || this.items.length >= most;
      replace(this.wrong);
      this.draw();
    } catch (err) {
      if (round === this.round) replace(this.wrong, problemEl(err));
    } finally {
      if (round === this.round) this.asking = false;
    }
  }

  older() {
    const last = this.items.at(-1);
    if (last) this.load({ order: "descending", until: last.time }, (items) => this.add(items));
  }

  /** @param {any[]} items */
  add(items) {
    const known = new Set(this.items.map((e) => e.seq));
    this.items = [...this.items, ...items.filter((e) => !known.has(e.seq))].sort((a, b) => b.seq - a.seq).slice(0, most);
  }

  /** @param {import("./model.js").Model} model */
  show(model) {
    if (this.app.me.write && !this.actions.firstChild) this.actions.append(button("Annotate …", () => this.note()));
    const newest = model.frame.storage.newest;
    if (this.newest === 0) this.newest = this.asking ? 0 : newest;
    else if (newest > this.newest && !this.asking) {
      const after = this.newest;
      this.newest = newest;
      this.load({ after, order: "ascending" }, (items) => this.add(items));
    }
  }

  note() {
    ask(this.app, {
      title: "Annotate", text: "It is recorded beside the events of the layer, and drawn into every plot: a deploy, a change elsewhere.", verb: "Annotate",
      fields: [{ name: "type", label: "Type", value: "deploy" }, { name: "name", label: "Name" }],
      run: (v) => change("POST", "v1/events", { type: v.type, name: v.name, data: { reason: v.reason } }), done: "The annotation is recorded",
    });
  }

  draw() {
    this.none.hidden = this.items.length > 0;
    setText(this.none, "No event matches.");
    keyed(this.list, this.items, (e) => e.id, (e) => this.make(e));
  }

  /** @param {any} e */
  make(e) {
    const kind = { circuit_breaker: "breaker", guard: "guard", connection_pool: "pool", rate_limiter: "rate_limit" }[e.component];
    const body = h("div", { class: "more", hidden: true });
    const open = h("button", { type: "button", class: "quiet", "aria-expanded": "false", "aria-label": `Details of event ${e.seq}`, on: { click: () => this.toggle(e, body, open) } }, "Details");
    return h("li", { class: levelOf(e.severity) }, h("time", { datetime: e.time }, moment(millis(e.time))), badge(levelOf(e.severity), e.severity, e.severity),
      h("span", { class: "type" }, e.type), h("span", { class: "text" }, kind && e.name ? h("a", { href: hrefOf(kind, e.name) }, sentence(e)) : sentence(e)), open, body);
  }

  /** @param {any} e @param {any} body @param {any} open */
  async toggle(e, body, open) {
    body.hidden = !body.hidden;
    open.setAttribute("aria-expanded", String(!body.hidden));
    if (body.firstChild) return;
    const json = JSON.stringify(e, null, 2);
    const causes = h("div");
    replace(body, causes, h("pre", { tabindex: "0" }, json), copyButton(() => json, "Copy the event as JSON"),
      e.correlation ? h("a", { href: `#/events?correlation=${encodeURIComponent(e.correlation)}` }, "all of this correlation") : null);
    replace(causes, await chain(e));
  }

  close() {
    this.round++;
  }
}

/** The causes of an event, the nearest first. @param {any} e */
async function chain(e) {
  const found = [];
  try {
    for (let id = e.parent; id && found.length < 8; ) {
      const cause = (await get(query("v1/events", { id }))).items[0];
      if (!cause) break;
      found.push(h("li", null, `${moment(millis(cause.time))} ${cause.type}: ${sentence(cause)}`));
      id = cause.parent;
    }
  } catch {
    return null; // the event itself is shown all the same
  }
  return found.length ? [h("p", null, "Because of:"), h("ol", null, found)] : null;
}
