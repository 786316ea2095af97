// The state of the view is in the URL: a link to it shows somebody else the same.

/**
 * @typedef {object} Place
 * @property {string} view the first part of the path, "" for the overview
 * @property {string} name the rest of it
 * @property {URLSearchParams} query
 */

/** Reads a place from a hash as `#/breaker/payments?window=5m`. @param {string} hash @returns {Place} */
export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [view, ...rest] = path.split("/");
  let name = rest.join("/");
  try {
    name = decodeURIComponent(name);
  } catch {
    // a hash that somebody typed: as it is
  }
  return { view, name, query: new URLSearchParams(query) };
}

/** @param {string} view @param {string} [name] @param {URLSearchParams} [query] */
export function format(view, name = "", query = new URLSearchParams()) {
  const search = query.toString();
  return `#/${view}${name ? "/" + encodeURIComponent(name) : ""}${search ? "?" + search : ""}`;
}

/** Where the page is now. */
export function here() {
  return parse(location.hash);
}

/**
 * Sets or removes a parameter of the view that is shown, without a step back in the history
 * for each letter of a filter.
 * @param {string} name
 * @param {string} value "" removes it
 */
export function remember(name, value) {
  const at = here();
  if (value) at.query.set(name, value);
  else at.query.delete(name);
  history.replaceState(null, "", format(at.view, at.name, at.query));
}
