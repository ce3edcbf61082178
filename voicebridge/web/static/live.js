/** The level as it is, and in the last minute, with the speech in it. */

import { byId, draw, tell } from "/static/dom.js";
import { viewerNow } from "/static/times.js";

const QUIETEST_DBFS = -80;
const SHOWN_SECONDS = 60;
const FULL_SCALE = 32768;
/** The minute is drawn this often; levels may come faster. */
const REDRAW_MS = 500;
const HEIGHT = 56;

const heard = [];
let drawnMs = 0;
/** Whether speech is open; null when that cannot be told. */
let talking;

/** An RMS level (0 to 32768) in decibels below full scale. */
export function dbfs(level) {
  return level > 0 ? Math.max(QUIETEST_DBFS, 20 * Math.log10(level / FULL_SCALE)) : QUIETEST_DBFS;
}

/** Show a level that has just come. */
export function showLevel(level, speech) {
  const loud = dbfs(level);
  heard.push({ at: viewerNow(), level, loud, speech });
  while (heard.length && heard[0].at < viewerNow() - SHOWN_SECONDS - 1) heard.shift();
  showSpeech(speech);
  const inWords = level > 0 ? `${Math.round(loud)} dBFS`.replace("-", "\u2212") : "digital silence";
  tell(byId("level-text"), inWords);
  drawMeter(loud);
  if (performance.now() - drawnMs > REDRAW_MS) drawMinute(inWords);
}

/** A level is sent only when it changes: until the next one, the last one holds. */
export function holdLevel() {
  const last = heard.at(-1);
  if (last && typeof talking === "boolean" && viewerNow() - last.at > 0.9) showLevel(last.level, talking);
}

/** Show whether speech is open. */
export function showSpeech(speech) {
  if (speech === talking) return;
  talking = speech;
  byId("speech").dataset.speech = speech === null ? "unknown" : String(speech);
  tell(byId("speech"), speech === null ? "No signal" : speech ? "Speech" : "Listening");
}

/** Nothing comes any more: an old level must not look like a new one. */
export function showNoLevel() {
  showSpeech(null);
  tell(byId("level-text"), "");
  drawMeter(QUIETEST_DBFS);
}

function drawMeter(loud) {
  const meter = byId("meter");
  const share = (100 * (loud - QUIETEST_DBFS)) / -QUIETEST_DBFS;
  if (!meter.children.length) {
    meter.setAttribute("viewBox", "0 0 100 8");
    meter.setAttribute("preserveAspectRatio", "none");
    meter.append(draw("rect", { class: "track", width: 100, height: 8 }), draw("rect", { class: "fill", height: 8 }));
    for (const mark of [-60, -40, -20]) {
      meter.append(draw("rect", { class: "mark", x: 100 + (100 * mark) / -QUIETEST_DBFS, width: 0.3, height: 8 }));
    }
  }
  meter.children[1].setAttribute("width", share.toFixed(1));
  meter.children[1].setAttribute("class", loud > -3 ? "fill hot" : "fill");
}

function drawMinute(inWords) {
  drawnMs = performance.now();
  const svg = byId("minute");
  const width = svg.clientWidth || 300;
  const x = (at) => width - ((viewerNow() - at) / SHOWN_SECONDS) * width;
  const y = (loud) => (HEIGHT - 8) * (loud / QUIETEST_DBFS);
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  const line = heard.map(({ at, loud }) => `${x(at).toFixed(1)},${y(loud).toFixed(1)}`);
  const bars = stretches().map(([from, to]) =>
    draw("rect", { class: "talk", x: x(from).toFixed(1), y: HEIGHT - 4, width: Math.max(2, x(to) - x(from)).toFixed(1), height: 4 }));
  svg.replaceChildren(draw("line", { class: "grid", x1: 0, x2: width, y1: HEIGHT - 7, y2: HEIGHT - 7 }),
    draw("polyline", { class: "line", points: line.join(" ") }), ...bars);
  const spoken = stretches().reduce((sum, [from, to]) => sum + to - from, 0);
  svg.setAttribute("aria-label", `Level in the last minute: now ${inWords}, speech for ${Math.round(spoken)} s`);
}

/** The stretches of speech among the levels, as pairs of moments. */
function stretches() {
  const found = [];
  for (const { at, speech } of heard) {
    const last = found.at(-1);
    if (!speech) {
      if (last && last[2]) [last[1], last[2]] = [at, false];
    } else if (last && last[2]) last[1] = at;
    else found.push([at, at, true]);
  }
  return found;
}
