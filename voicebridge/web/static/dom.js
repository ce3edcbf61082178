/** Elements of the page. Text goes in through textContent only: what was heard is never read as HTML. */

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** Make an element with attributes and children; a string child becomes text. */
export function make(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function draw(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Set the text of an element only where it changes, so that nothing is announced twice. */
export function tell(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const PICTURED = /[\u0000-\u0008\u000b-\u001f\u007f]/g;
const UNSEEN = /[\u0080-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;

/**
 * Text as it can be shown: control characters by their pictures (U+2400 ff.), what cannot be seen or turns the
 * direction of writing by its number. Joiners stay: scripts need them.
 */
export function visible(text) {
  return String(text ?? "")
    .replace(PICTURED, (sign) => (sign === "\u007f" ? "\u2421" : String.fromCharCode(0x2400 + sign.charCodeAt(0))))
    .replace(UNSEEN, (sign) => `\u27e8U+${sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`);
}
