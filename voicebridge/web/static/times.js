/** Times and quantities, as the viewer reads them. Moments are seconds since the epoch (UTC). */

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const clockShort = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dayAndClock = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const withYear = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

/** The clock of the daemon's machine, minus that of the viewer's, in seconds. */
let ahead = 0;

export const setAhead = (seconds) => { ahead = seconds; };
export const viewerNow = () => Date.now() / 1000;
/** Now, on the clock of the daemon's machine: its moments are compared with this one. */
export const now = () => viewerNow() + ahead;

export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;
export const wholeTime = (moment) => whole.format(moment * 1000);
export const clockTime = (moment) => clock.format(moment * 1000);

/** A clock time, with the day and the year when those are not today's. */
export function shortTime(moment) {
  const [then, today] = [new Date(moment * 1000), new Date(now() * 1000)];
  if (then.toDateString() === today.toDateString()) return clock.format(then);
  return (then.getFullYear() === today.getFullYear() ? dayAndClock : withYear).format(then);
}

/** A label for an axis that shows that many seconds. */
export function axisTime(moment, shown) {
  return (shown > 2 * 86400 ? day : clockShort).format(moment * 1000);
}

/** A length of time in its two largest units, the second one only where there is any of it. */
export function lasting(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds === 0) return "0 s";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${trimmed(seconds)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return inTwo(seconds, 60, "min", 1, "s");
  if (seconds < 86400) return inTwo(seconds, 3600, "h", 60, "min");
  return inTwo(seconds, 86400, "d", 3600, "h");
}

/** One decimal, and none where it would be 0. */
const trimmed = (value) => value.toFixed(1).replace(/\.0$/, "");

function inTwo(seconds, large, largeName, small, smallName) {
  const rest = Math.floor((seconds % large) / small);
  return `${Math.floor(seconds / large)} ${largeName}${rest ? ` ${rest} ${smallName}` : ""}`;
}

/** How long ago, roughly: for text that stands beside the exact time. */
export function ago(moment) {
  const seconds = now() - moment;
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

lasting.thousand = 60;

/** Bytes in decimal units (a MB is 10^6 bytes), as the command line tells them. */
export function bytes(count) {
  if (!Number.isFinite(count)) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let left = count;
  let unit = 0;
  while (left >= 1000 && unit < units.length - 1) {
    left /= 1000;
    unit += 1;
  }
  return `${left >= 100 || unit === 0 ? Math.round(left) : trimmed(left)} ${units[unit]}`;
}

export const wholeNumber = (value) => (Number.isFinite(value) ? Math.round(value).toLocaleString() : "–");
export const percent = (value) => (Number.isFinite(value) ? `${value >= 10 ? Math.round(value) : trimmed(value)} %` : "–");
