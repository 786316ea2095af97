// What a part is made of: the members of a group of breakers, the hosts of a route.

import { button, force, release } from "./actions.js";
import { path } from "./api.js";
import { fact } from "./columns.js";
import { h, replace } from "./dom.js";
import { count, percent, span } from "./format.js";
import { panel, table } from "./panel.js";
import { Resource } from "./resource.js";
import { badge, hrefOf } from "./words.js";

/** How many members are listed, the worst first. */
const most = 200;

/**
 * @param {any} row
 * @param {import("./app.js").App} app
 * @returns {{el: Element, source: Resource}|null} null for what has nothing within
 */
export function within(row, app) {
  const el = h("div");
  if (row.kind === "breaker" && row.members) {
    const source = new Resource(app, () => path("v1/breakers", row.name), 3000, (b) => replace(el, members(b, app, () => source.again())));
    return { el, source };
  }
  if (row.kind === "route") {
    return { el, source: new Resource(app, () => path("v1/routes", row.name), 3000, (r) => replace(el, hosts(r))) };
  }
  return null;
}

/** @param {any} group @param {import("./app.js").App} app @param {() => void} done */
function members(group, app, done) {
  const act = (m) => (!app.me.write ? "" : m.override.state ? button("Release …", () => release(group.name, m.member, app, then)) : button("Force open …", () => force(group.name, m.member, "forced-open", app, then)));
  const then = (promise) => promise.then((answer) => (done(), answer));
  const rows = group.members.slice(0, most).map((m) => [m.member, badge(m.state === "closed" && !m.override.state ? "ok" : m.state === "closed" ? "warn" : "bad", m.override.state || m.state), span(m.since_seconds),
    m.counted.filter((f) => f.bounded).map(fact).join(", ") || "–", m.last_errors.length ? `${m.last_errors[0].class}, ${count(m.last_errors[0].count)} times` : "–", act(m)]);
  return panel(`Members: ${count(group.member_count)} of at most ${count(group.max_members)}`, table(["Member", "State", "For", "Counted", "Last error", ""], rows, "No member has been called yet."));
}

/** @param {any} route */
function hosts(route) {
  const l = route.lookup;
  const rows = route.upstreams.map((u) => [h("a", { href: hrefOf("upstream", u.name) }, u.name), badge(u.state === "active" ? "ok" : u.state === "slow_start" ? "note" : "bad", u.state), span(u.since_seconds), percent(u.share),
    count(u.in_flight), `${count(u.failures)} of ${count(u.requests)}`, u.reason || u.check || (u.last_error.class ? `${u.last_error.class}: ${u.last_error.reason}` : "–"), u.remaining_seconds ? `in ${span(u.remaining_seconds)}` : "–"]);
  return panel("Upstreams",
    route.panic.on ? h("p", { class: "bad" }, `✖ More than half of the hosts are out, so all of them get requests, for ${span(route.panic.since_seconds)}.`) : null,
    l.name ? h("p", { class: l.error ? "bad" : "quiet" }, `Looked up as ${l.name} every ${span(l.every_seconds)}: ${count(l.answers)} addresses${l.error ? `; no good answer for ${span(l.since_seconds)}: ${l.error}` : ""}.`) : null,
    table(["Host", "State", "For", "Share", "In flight", "Failures", "Because", "Returns"], rows, "It has no hosts."));
}
