// Elements are made here and nowhere else, and text goes in as text: names, reasons and
// errors come from outside and must never be read as markup.

/** @typedef {Node|string|number|null|undefined|false} Child */

/**
 * Makes an element.
 * @param {string} tag
 * @param {Record<string, any>|null} [props] attributes; `on` holds listeners; null and false leave one out
 * @param {...(Child|Child[])} children
 * @returns {HTMLElement & Record<string, any>}
 */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/**
 * Makes an element of SVG.
 * @param {string} tag
 * @param {Record<string, any>|null} [props]
 * @param {...(Child|Child[])} children
 */
export function svg(tag, props, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);
}

function fill(el, props, children) {
  for (const [name, value] of Object.entries(props || {})) {
    if (name === "on") for (const [event, fn] of Object.entries(value)) el.addEventListener(event, fn);
    else if (value !== null && value !== undefined && value !== false) el.setAttribute(name, value === true ? "" : String(value));
  }
  append(el, children);
  return el;
}

/** @param {Element} el @param {any[]} children */
function append(el, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) el.append(child instanceof Node ? child : String(child));
  }
}

/** What setText has written where: to read it back from the document would cost more than to write it. */
const written = Symbol("text");

/**
 * Sets the text of an element, and touches nothing that is right already. It owns the text of
 * that element from then on.
 * @param {any} el
 * @param {any} text
 */
export function setText(el, text) {
  if (el[written] === text) return;
  el[written] = text;
  if (el.firstChild && !el.firstChild.nextSibling && el.firstChild.nodeType === 3) el.firstChild.nodeValue = text;
  else el.textContent = text;
}

/** @param {Element} el @param {string} name @param {string|null} value */
export function setAttr(el, name, value) {
  if (el.getAttribute(name) === value) return;
  if (value === null) el.removeAttribute(name);
  else el.setAttribute(name, value);
}

/** Puts children in the place of those that are there. @param {Element} el @param {...any} children */
export function replace(el, ...children) {
  el.replaceChildren();
  append(el, children);
}

/**
 * Makes the children of parent those of items, keeps those that are there already and moves
 * as few of them as it can.
 * @template T
 * @param {Element} parent
 * @param {T[]} items
 * @param {(item: T, i: number) => string} key
 * @param {(item: T) => Element} make
 * @param {(el: any, item: T) => void} [update]
 */
export function keyed(parent, items, key, make, update) {
  const have = parent.keyedChildren || (parent.keyedChildren = new Map());
  const next = new Map();
  let at = parent.firstElementChild;
  items.forEach((item, i) => {
    const k = key(item, i);
    const el = have.get(k) || make(item);
    next.set(k, el);
    if (el === at) at = at.nextElementSibling;
    else parent.insertBefore(el, at);
    if (update) update(el, item);
  });
  for (const [k, el] of have) if (next.get(k) !== el) el.remove();
  parent.keyedChildren = next;
}
