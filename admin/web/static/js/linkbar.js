// How fresh the page is, in the corner of every view, and large where it is not.

import { hasToken, setToken } from "./api.js";
import { h, replace, setAttr, setText } from "./dom.js";
import { span } from "./format.js";

/** @param {Element} el @param {HTMLElement} banner @param {import("./app.js").App} app */
export function linkBar(el, banner, app) {
  const state = h("span", { class: "state" });
  const pause = h("button", { type: "button", class: "quiet", on: { click: () => app.live.pause(!app.live.paused) } });
  const who = h("span", { class: "who" });
  const leave = h("button", { type: "button", class: "quiet", on: { click: () => signOut(app) } }, "Sign out");
  const note = h("span", { class: "note", hidden: true });
  replace(el, note, state, who, pause, leave);
  let timer = 0;
  return {
    show: () => show(app, { state, pause, who, leave, banner }),
    note(text) {
      setText(note, text);
      note.hidden = false;
      clearTimeout(timer);
      timer = setTimeout(() => (note.hidden = true), 6000);
    },
  };
}

/** @param {import("./app.js").App} app */
function show(app, { state, pause, who, leave, banner }) {
  const live = app.live;
  const age = Number.isFinite(live.age) ? span(live.age / 1000) : "";
  const [level, glyph, text] = words(live, age);
  setAttr(state, "class", `state ${level}`);
  setText(state, `${glyph} ${text}`);
  setText(pause, live.paused ? "Resume" : "Pause");
  setText(who, app.me.actor ? `${app.me.actor}${app.me.write ? "" : " (read)"}` : "");
  leave.hidden = !hasToken();
  banner.hidden = live.fresh || live.state === "hidden" || live.state === "denied" || live.state === "connecting";
  if (live.state === "paused") setText(banner, `‖ Paused. What you see is ${age} old.`);
  else setText(banner, `✖ No connection${live.why ? `: ${live.why}` : ""}. ${age ? `What you see is ${age} old.` : ""} Trying again …`);
}

/** @param {import("./live.js").Live} live @param {string} age @returns {string[]} */
function words(live, age) {
  if (live.fresh) return ["ok", "●", "live"];
  if (live.state === "paused") return ["note", "‖", `paused, ${age} old`];
  if (live.state === "hidden") return ["idle", "–", "not followed"];
  if (live.state === "denied") return ["warn", "▲", "no valid token"];
  return age ? ["bad", "○", `lost, ${age} old`] : ["note", "◌", live.why ? `no answer: ${live.why}` : "connecting"];
}

/** @param {import("./app.js").App} app */
function signOut(app) {
  setToken("");
  location.reload();
}
