// In which state a breaker was when: a band from the recorded transitions, so that an outage of
// a second is there as well. States differ by height, not by colour alone.

import { h, replace, svg } from "./dom.js";
import { clock, millis, span } from "./format.js";
import { wordOf } from "./words.js";

const width = 1000, height = 36;
/** How many spans the table lists, the newest first. */
const listed = 300;
const heights = { closed: 8, "half-open": 20, open: 34 };

/** @param {string} title */
export function bandEl(title) {
  const picture = h("div", { class: "canvas" });
  const table = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Data: ${title}`, hidden: true });
  const note = h("p", { class: "quiet" });
  const toggle = h("button", { type: "button", class: "quiet", "aria-expanded": "false" }, "Show data");
  toggle.addEventListener("click", () => {
    table.hidden = !table.hidden;
    toggle.textContent = table.hidden ? "Show data" : "Hide data";
    toggle.setAttribute("aria-expanded", String(!table.hidden));
  });
  const el = h("figure", { class: "plot band" }, h("figcaption", null, h("h3", null, title), h("span", { class: "legend" },
    ["closed", "half-open", "open"].map((s) => h("span", { class: `box ${s}` }, wordOf(s)))), toggle), picture, note, table);
  return { el, show: (states) => show(states, { picture, table, note, title }) };
}

/** @param {any} states of GET /v1/breakers/{name}/states */
function show(states, { picture, table, note, title }) {
  const from = millis(states.from), to = millis(states.to), x = (ms) => ((ms - from) / Math.max(1, to - from)) * width;
  const bands = states.bands.map((b) => ({ ...b, a: Math.max(from, millis(b.from)), z: Math.min(to, millis(b.to) || to) }));
  const rects = visible(bands, (to - from) / width).map((b) => {
    const high = heights[b.state] || 8;
    const wide = Math.max(2, x(b.z) - x(b.a)); // an outage of a second is to be seen
    return svg("rect", { class: `${b.state}${b.forced ? " forced" : ""}`, x: Math.min(x(b.a), width - wide).toFixed(1), width: wide.toFixed(1), y: height - high, height: high },
      svg("title", null, `${wordOf(b.state)} ${clock(b.a)} to ${clock(b.z)}${b.reason ? `: ${b.reason}` : ""}`));
  });
  replace(picture, svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": sentence(title, bands, from, to) }, rects),
    h("div", { class: "ends" }, h("span", null, clock(from)), h("span", null, clock(to))));
  note.textContent = states.note;
  note.hidden = !states.note;
  replace(table, h("table", { class: "data" }, h("caption", { class: "unseen" }, title),
    h("thead", null, h("tr", null, ["State", "From", "For", "Because", "By"].map((t) => h("th", { scope: "col" }, t)))),
    h("tbody", null, bands.toReversed().slice(0, listed).map((b) => h("tr", null, h("th", { scope: "row" }, (b.forced ? "forced " : "") + wordOf(b.state)), h("td", null, clock(b.a)),
      h("td", null, span((b.z - b.a) / 1000)), h("td", null, b.reason.replaceAll("_", " ")), h("td", null, b.actor))))));
}

/** Puts together what would share a point of the picture: the worst state of it stands there. @param {any[]} bands @param {number} least milliseconds */
function visible(bands, least) {
  const out = [];
  for (const b of bands) {
    const last = out[out.length - 1];
    if (!last || b.z - last.a > 2 * least) out.push({ ...b });
    else out[out.length - 1] = { ...(heights[b.state] > heights[last.state] ? b : last), a: last.a, z: b.z };
  }
  return out;
}

/** @param {string} title @param {any[]} bands @param {number} from @param {number} to */
function sentence(title, bands, from, to) {
  const spent = new Map();
  for (const b of bands) spent.set(b.state, (spent.get(b.state) || 0) + b.z - b.a);
  const parts = [...spent].map(([state, ms]) => `${wordOf(state)} for ${span(ms / 1000)}`);
  return `${title}, ${clock(from)} to ${clock(to)}: ${parts.join(", ") || "nothing is known"}; ${bands.length} spans.`;
}
