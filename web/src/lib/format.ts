// Times, durations, sizes and names as people read them.

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });

/** How long ago `at` is, seen from `now` (both in milliseconds). */
export function ago(at: number, now: number): string {
  const seconds = Math.round((at - now) / 1000);
  if (Math.abs(seconds) < 10) return "just now";
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
  }
  return relative.format(seconds, "second");
}

/** A moment to the second, in the reader's own time zone. */
export function exact(at: number): string {
  return new Date(at).toLocaleString("sv-SE", { timeZoneName: "short" });
}

/** The time of day, to the millisecond. */
export function clock(at: number): string {
  const date = new Date(at);
  const two = (n: number) => String(n).padStart(2, "0");
  const millis = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${millis}`;
}

/** A duration in milliseconds. */
export function duration(millis: number): string {
  if (millis < 1_000) return `${Math.max(0, Math.round(millis))} ms`;
  if (millis < 59_950) return `${(millis / 1_000).toFixed(1)} s`;
  const seconds = Math.round(millis / 1_000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}

/** A number of bytes. */
export function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = count / 1024;
  let unit = 0;
  while (value >= 1023.95 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** A number with its noun: `1 file`, `2 files`. */
export function count(n: number, noun: string): string {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}

/** A commit or a tree's digest, as short as people write it. */
export function short(revision: string): string {
  return revision.startsWith("tree-") ? revision.slice(0, 17) : revision.slice(0, 12);
}

/** A ref without what every branch begins with. */
export function refName(name: string): string {
  return name.replace(/^refs\/heads\//, "").replace(/^refs\//, "");
}

/** A repository without its scheme: what tells it from others. */
export function repository(url: string): string {
  return url.replace(/^[a-z+]+:\/\//, "").replace(/\.git$/, "");
}

/** A cause in words. */
export function words(name: string): string {
  return name.replaceAll("_", " ");
}
