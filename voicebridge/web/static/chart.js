/** Charts of values over time, as inline SVG; each with a legend, a sentence and a table that say the same. */

import { draw, make, tell } from "/static/dom.js";
import { axisTime, now, shortTime } from "/static/times.js";

const HEIGHT = 150;
const LEFT = 52;
const RIGHT = 10;
const TOP = 8;
const BOTTOM = 20;
/** A pause longer than this many usual intervals is a hole, and is not drawn over. */
const HOLE = 3;
const TABLE_ROWS = 24;

/**
 * A chart in a figure: `series` are [{name, value(row)}], drawn in the styles s0 (solid), s1 (dashed), ...; `top` is the
 * least value at the upper edge, `note(rows)` a sentence on what is shown.
 */
export class Chart {
  constructor(title, series, format, { top = 0, note = () => "" } = {}) {
    Object.assign(this, { title, series, format, smallestTop: top, note });
    Object.assign(this, { rows: [], every: 1, span: [0, 1], said: "", pointed: null });
    this.svg = draw("svg", { class: "chart", role: "img", tabindex: "0" });
    this.summary = make("p", { class: "summary dim small" });
    this.table = make("details", { class: "small" }, make("summary", {}, "As a table"));
    this.element = make("figure", { class: "chart-box" },
      make("figcaption", {}, make("span", { class: "chart-title" }, title), this.legend()),
      this.svg, this.summary, this.table);
    this.bind();
  }

  legend() {
    if (this.series.length < 2) return null;
    return make("span", { class: "legend small" }, ...this.series.map(({ name }, n) =>
      make("span", {}, draw("svg", { viewBox: "0 0 24 8", "aria-hidden": "true" },
        draw("line", { class: `line s${n}`, x1: 0, x2: 24, y1: 4, y2: 4 })), name)));
  }

  bind() {
    new ResizeObserver(() => this.redraw()).observe(this.svg);
    this.svg.addEventListener("pointermove", (event) => this.point(this.nearest(event.offsetX)));
    this.svg.addEventListener("pointerleave", () => this.point(null));
    this.svg.addEventListener("blur", () => this.point(null));
    this.svg.addEventListener("keydown", (event) => this.step(event));
    this.table.addEventListener("toggle", () => this.fillTable());
  }

  /** Show rows ({at, ...}, oldest first; one in `every` that there are) between two moments. */
  show(rows, from, until, every = 1) {
    this.rows = rows;
    this.every = every;
    this.span = [from, until];
    this.pointed = null;
    this.describe();
    this.redraw();
    this.fillTable();
  }

  redraw() {
    this.width = this.svg.clientWidth;
    if (!this.width) return;
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    this.top = niceTop(Math.max(this.smallestTop, ...this.values()), this.format.thousand);
    this.cursor = draw("g", { class: "cursor" });
    this.svg.replaceChildren(...this.grid(), ...this.series.flatMap((one, n) => this.curve(one, n)), this.cursor);
    this.point(this.pointed);
  }

  values() {
    return this.series.flatMap(({ value }) => this.rows.map(value)).filter(Number.isFinite);
  }

  x(at) {
    const [from, until] = this.span;
    return LEFT + ((at - from) / (until - from)) * (this.width - LEFT - RIGHT);
  }

  y(value) {
    return TOP + (1 - value / this.top) * (HEIGHT - TOP - BOTTOM);
  }

  grid() {
    const rulers = [0, this.top / 2, this.top].flatMap((value) => [
      draw("line", { class: "grid", x1: LEFT, x2: this.width - RIGHT, y1: this.y(value), y2: this.y(value) }),
      draw("text", { class: "axis", x: LEFT - 6, y: this.y(value) + 4, "text-anchor": "end" }, this.format(value)),
    ]);
    const marks = timeMarks(...this.span, this.width < 320 ? 3 : 5).map((at) =>
      draw("text", { class: "axis", x: this.x(at), y: HEIGHT - 5, "text-anchor": "middle" },
        axisTime(at, this.span[1] - this.span[0])));
    return [...rulers, ...marks];
  }

  curve({ value }, n) {
    return holes(this.rows.filter((row) => Number.isFinite(value(row)))).map((run) => run.length === 1
      ? draw("circle", { class: `dot s${n}`, cx: this.x(run[0].at), cy: this.y(value(run[0])), r: 2 })
      : draw("polyline", { class: `line s${n}`,
        points: run.map((row) => `${this.x(row.at).toFixed(1)},${this.y(value(row)).toFixed(1)}`).join(" ") }));
  }

  nearest(x) {
    const distance = (row) => Math.abs(this.x(row.at) - x);
    return this.rows.reduce((best, row) => (best && distance(best) <= distance(row) ? best : row), null);
  }

  step(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (!by || !this.rows.length) return;
    event.preventDefault();
    const present = this.pointed ? this.rows.indexOf(this.pointed) : this.rows.length;
    this.point(this.rows[Math.max(0, Math.min(this.rows.length - 1, present + by))]);
  }

  point(row) {
    this.pointed = row;
    const shown = row && this.width && this.cursor;
    this.cursor?.replaceChildren(...(shown
      ? [draw("line", { x1: this.x(row.at), x2: this.x(row.at), y1: TOP, y2: HEIGHT - BOTTOM })] : []));
    tell(this.summary, shown ? `${shortTime(row.at)}: ${this.told(row)}` : this.said);
    this.summary.classList.toggle("pointed", Boolean(shown));
  }

  told(row) {
    return this.series.map(({ name, value }) => {
      const told = Number.isFinite(value(row)) ? this.format(value(row)) : "none";
      return this.series.length > 1 ? `${name} ${told}` : told;
    }).join(", ");
  }

  describe() {
    const values = this.values();
    const newest = this.rows.findLast((row) => this.series.some(({ value }) => Number.isFinite(value(row))));
    const among = this.every > 1 ? ` of those drawn, one record in ${this.every}` : "";
    const told = newest
      ? `Newest: ${this.told(newest)}. Lowest ${this.format(Math.min(...values))}, highest ${this.format(Math.max(...values))}${among}.`
      : "Nothing was measured in this time.";
    const text = [told, this.note(this.rows)].filter(Boolean).join(" ");
    this.said = text;
    tell(this.summary, text);
    this.svg.setAttribute("aria-label", `${this.title}. ${text} Arrow keys read single values.`);
  }

  /** Spread rows over the time that is shown; made only when it is looked at. */
  fillTable() {
    this.table.querySelector("table")?.remove();
    if (!this.table.open) return;
    const every = Math.max(1, Math.ceil(this.rows.length / TABLE_ROWS));
    const rows = this.rows.filter((_, n) => (this.rows.length - 1 - n) % every === 0).reverse();
    const cell = (text) => make("td", {}, text);
    this.table.append(make("table", {}, make("caption", { class: "unseen" }, this.title),
      make("thead", {}, make("tr", {}, ...["Time", ...this.series.map(({ name }) => name)].map((name) =>
        make("th", { scope: "col" }, name)))),
      make("tbody", {}, ...rows.map((row) => make("tr", {}, make("th", { scope: "row" }, shortTime(row.at)),
        ...this.series.map(({ value }) => cell(Number.isFinite(value(row)) ? this.format(value(row)) : "–")))))));
  }
}

/**
 * The least round number (one whose half is round, too) that is not below a value; `thousand` is 60 for
 * seconds, of which a minute and more is round in minutes.
 */
function niceTop(value, thousand = 1000) {
  if (!(value > 0)) return 1;
  const unit = thousand === 60 ? sexagesimal(value) : thousand ** Math.floor(Math.log(value) / Math.log(thousand));
  const power = unit * 10 ** Math.floor(Math.log10(value / unit));
  return power * [1, 2, 3, 4, 6, 8, 10].find((factor) => factor * power >= value * 0.999);
}

const sexagesimal = (seconds) => [86400, 3600, 60, 1].find((unit) => seconds >= unit) ?? 1;

/** Cut rows where time passed without any. */
function holes(rows) {
  if (rows.length < 3) return rows.length ? [rows] : [];
  const steps = rows.slice(1).map((row, n) => row.at - rows[n].at);
  const usual = steps.toSorted((a, b) => a - b)[Math.floor(steps.length / 2)];
  const runs = [[rows[0]]];
  rows.slice(1).forEach((row, n) => (steps[n] > HOLE * usual ? runs.push([row]) : runs.at(-1).push(row)));
  return runs;
}

/** Round moments of the viewer's clock between two moments, at most so many. */
export function timeMarks(from, until, most) {
  const steps = [60, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800];
  const step = steps.find((seconds) => (until - from) / seconds <= most) ?? 604800;
  const zone = new Date(now() * 1000).getTimezoneOffset() * 60;
  const marks = [];
  for (let at = Math.ceil((from - zone) / step) * step + zone; at <= until; at += step) marks.push(at);
  // One at the very edge would be cut off.
  const edge = (until - from) * 0.04;
  return marks.filter((at) => at > from + edge && at < until - edge);
}
