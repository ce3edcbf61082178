"""What a person sees and a screen reader hears, measured in the page."""

from typing import Any

from tests.web.dashboard.browser import Page

CONTRAST = """
const parse = (text) => {
  const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
  return { r, g, b, a };
};
const over = (top, ground) => ({
  r: top.r * top.a + ground.r * (1 - top.a), g: top.g * top.a + ground.g * (1 - top.a),
  b: top.b * top.a + ground.b * (1 - top.a), a: 1 });
const channel = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
const luminance = ({ r, g, b }) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const groundOf = (element) => {
  const grounds = [];
  for (let at = element; at; at = at.parentElement) grounds.push(parse(getComputedStyle(at).backgroundColor));
  return grounds.reverse().reduce((ground, top) => over(top, ground), { r: 255, g: 255, b: 255, a: 1 });
};
const poor = [];
const ratios = [];
for (const element of document.querySelectorAll('body *')) {
  const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!text || !element.checkVisibility() || element.matches(':disabled') || element.closest('noscript')) continue;
  const style = getComputedStyle(element);
  const ground = groundOf(element);
  const colour = over(parse(element.namespaceURI.endsWith('svg') ? style.fill : style.color), ground);
  const [dark, light] = [luminance(colour), luminance(ground)].sort((a, b) => a - b);
  const ratio = (light + 0.05) / (dark + 0.05);
  ratios.push(ratio);
  if (ratio < 4.5) poor.push(`${element.tagName}.${element.className}: ${ratio.toFixed(2)} "${element.textContent}"`);
}
return { poor, lowest: Math.min(...ratios), texts: ratios.length };
"""
"""The contrast of every text that can be seen, by WCAG 2.2, 1.4.3; what is disabled is exempt there."""

FOCUSABLE = """
return [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')]
  .filter((element) => element.checkVisibility() && !element.disabled && !element.closest('dialog:not([open])'))
  .length;
"""
FOCUS = """
const element = document.activeElement;
element.dataset.visited = element.dataset.visited ?? 'yes';
const style = getComputedStyle(element);
return { tag: element.tagName, outline: style.outlineStyle, width: parseFloat(style.outlineWidth),
         visited: document.querySelectorAll('[data-visited]').length };
"""
WIDTHS = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
ROLES_WITH_NAMES = frozenset({"button", "textbox", "searchbox", "combobox", "link", "image", "img", "region", "dialog"})


def contrast(page: Page) -> dict[str, Any]:
    """Return the texts whose contrast is poor, the lowest contrast, and how many texts were looked at."""
    found: dict[str, Any] = page.script(CONTRAST)
    return found


def nameless(page: Page) -> list[str]:
    """Return the roles of what a screen reader could not name."""
    tree = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})
    told = [node for node in tree["nodes"] if not node.get("ignored")]
    return [
        node["role"]["value"]
        for node in told
        if node["role"]["value"] in ROLES_WITH_NAMES and not node.get("name", {}).get("value")
    ]


def roles(page: Page) -> set[str]:
    """Return the roles that there are in the page."""
    tree = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})
    return {node["role"]["value"] for node in tree["nodes"] if not node.get("ignored")}
