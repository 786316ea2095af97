// The keyboard: / filters, j and k go from row to row, Enter opens, Escape goes back.

/** @param {import("./app.js").App} app */
export function keyboard(app) {
  document.addEventListener("keydown", (event) => {
    const at = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (at.matches("input, textarea, select")) {
      if (event.key === "Escape") at.blur();
      return;
    }
    const done = act(event.key, app);
    if (done) event.preventDefault();
  });
}

/** @param {string} key @param {import("./app.js").App} app */
function act(key, app) {
  switch (key) {
    case "/": return filter();
    case "j": return step(1);
    case "k": return step(-1);
    case "p": return pause(app);
    case "Escape": return back();
  }
  return false;
}

function filter() {
  const input = document.querySelector("#main input[type=search]");
  if (input) input.focus();
  else location.hash = "#/";
  return true;
}

/** Moves the focus among the names of all rows. @param {number} by */
function step(by) {
  const links = [...document.querySelectorAll("#main a.open")].filter((a) => a.offsetParent !== null);
  const at = links.indexOf(document.activeElement);
  const next = links[Math.min(links.length - 1, Math.max(0, at + by))];
  if (next) next.focus();
  return Boolean(next);
}

/** @param {import("./app.js").App} app */
function pause(app) {
  app.live.pause(!app.live.paused);
  return true;
}

function back() {
  if (location.hash.replace(/^#\/?/, "")) location.hash = "#/";
  return true;
}
