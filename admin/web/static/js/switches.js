// The switches of a sample upstream, which a quickstart has.

import { change, path } from "./api.js";
import { ask } from "./ask.js";
import { h, keyed, setAttr, setText } from "./dom.js";
import { wordOf } from "./words.js";

/** @param {import("./app.js").App} app */
export function switchPanel(app) {
  const body = h("div");
  const el = h("section", { class: "panel switches", hidden: true, "aria-labelledby": "h-switches" }, h("div", { class: "head" }, h("h2", { id: "h-switches" }, "Try it")), body);
  const show = (model) => {
    const all = model.frame.switches;
    el.hidden = all.length === 0;
    keyed(body, all, (s) => s.name + s.states.join(), (s) => make(s, app), (row, s) => update(row, s, app));
  };
  return { el, show };
}

/** @param {any} s @param {import("./app.js").App} app */
function make(s, app) {
  const now = h("span");
  const buttons = s.states.map((state) => h("button", { type: "button", on: { click: () => turn(s, state, app) } }, wordOf(state)));
  return Object.assign(h("div", { class: "switch", role: "group", "aria-label": s.title }, h("strong", null, s.title), now, h("span", { class: "choices" }, buttons)), { now, buttons });
}

function update(row, s, app) {
  setText(row.now, app.me.write ? "answers as" : `is ${wordOf(s.state)}`);
  row.buttons.forEach((b, i) => {
    b.hidden = !app.me.write;
    setAttr(b, "aria-pressed", String(s.states[i] === s.state));
  });
}

/** @param {any} s @param {string} state @param {import("./app.js").App} app */
function turn(s, state, app) {
  ask(app, {
    title: `${s.title}: ${wordOf(state)}`, text: "It answers like this from now on, until it is switched again.", verb: "Switch",
    run: (v) => change("PUT", path("v1/switches", s.name), { state, reason: v.reason }), done: `${s.title} is ${wordOf(state)}`,
  });
}
