// Which rows a log has on the screen: its lines, and a heading for each step, without what is folded.

import type { Run } from "../lib/ansi";
import type { LogStore, Section } from "./store";

export interface Part {
  section: Section;
  index: number;
  hasHeading: boolean;
  isFolded: boolean;
  /** Its first row, counted from 0, and how many it has. */
  first: number;
  rows: number;
}

export type Row = { kind: "step"; part: Part } | { kind: "line"; line: number };

/** The parts of a log in the order of their rows; `folded` has the indices of sections. */
export function layout(store: LogStore, folded: ReadonlySet<number>): { parts: Part[]; rows: number } {
  const parts: Part[] = [];
  let rows = 0;
  let before: number | undefined;
  let foldedStep = false;
  for (const [index, section] of store.sections.entries()) {
    // What another source says in the middle of a step does not begin it anew.
    const hasHeading = section.step !== undefined && section.step !== before;
    if (hasHeading) foldedStep = folded.has(index);
    const isFolded = section.step !== undefined && foldedStep;
    if (section.step !== undefined) before = section.step;
    const count = (hasHeading ? 1 : 0) + (isFolded ? 0 : section.lines);
    parts.push({ section, index, hasHeading, isFolded, first: rows, rows: count });
    rows += count;
  }
  return { parts, rows };
}

/** The part that a row is in. */
function partAt(parts: Part[], row: number): Part | undefined {
  let low = 0;
  let high = parts.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const part = parts[middle] as Part;
    if (row < part.first) high = middle - 1;
    else if (row >= part.first + part.rows) low = middle + 1;
    else return part;
  }
  return undefined;
}

/** What is in a row. */
export function rowAt(parts: Part[], row: number): Row | undefined {
  const part = partAt(parts, row);
  if (!part) return undefined;
  const inside = row - part.first;
  if (part.hasHeading && inside === 0) return { kind: "step", part };
  return { kind: "line", line: part.section.first + inside - (part.hasHeading ? 1 : 0) };
}

/** The row of a line, or the heading that it is folded under, and the part whose heading that is. */
export function rowOf(parts: Part[], line: number): { row: number; heading: number | undefined } | undefined {
  let heading: Part | undefined;
  for (const part of parts) {
    if (part.hasHeading) heading = part;
    const { first, lines } = part.section;
    if (line < first || line >= first + lines) continue;
    if (part.isFolded) return { row: heading?.first ?? part.first, heading: heading?.index };
    return { row: part.first + (part.hasHeading ? 1 : 0) + line - first, heading: undefined };
  }
  return undefined;
}

/** Runs of text with what was searched for on its own. */
export function highlight(runs: Run[], wanted: string): (Run & { isHit?: boolean })[] {
  if (wanted === "") return runs;
  const text = runs.map((run) => run.text).join("");
  const lower = text.toLowerCase();
  // Where lower case is longer, places in it are not places in the text.
  if (lower.length !== text.length) return runs;
  const wantedLower = wanted.toLowerCase();
  const marked: (Run & { isHit?: boolean })[] = [];
  let at = 0;
  let hit = lower.indexOf(wantedLower);
  for (const run of runs) {
    const end = at + run.text.length;
    let from = at;
    while (hit >= 0 && hit < end) {
      const hitEnd = hit + wantedLower.length;
      if (hit > from) marked.push({ ...run, text: text.slice(from, hit) });
      const to = Math.min(end, hitEnd);
      marked.push({ ...run, text: text.slice(Math.max(from, hit), to), isHit: true });
      from = to;
      if (hitEnd > end) break;
      hit = lower.indexOf(wantedLower, hitEnd);
    }
    if (from < end) marked.push({ ...run, text: text.slice(from, end) });
    at = end;
  }
  return marked.filter((run) => run.text !== "");
}

/** The lines that an address names: `#L10` or `#L10-L20`, counted from 1. */
export function linesOf(hash: string): [number, number] | undefined {
  const match = /^#L(\d{1,9})(?:-L?(\d{1,9}))?$/.exec(hash);
  if (!match) return undefined;
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  if (first < 1 || last < 1) return undefined;
  return [Math.min(first, last), Math.max(first, last)];
}

/** The address of lines. */
export function hashOf([first, last]: [number, number]): string {
  return first === last ? `#L${first}` : `#L${first}-L${last}`;
}

/** What every line has that looks like an error. */
export const ERROR_HINT =
  /error|undefined reference|\*\*\*|build stopped|FAILED:|multiple definition|collect2|ld returned/i;

/** Whether a line looks like what made a build fail. */
export function looksLikeError(text: string): boolean {
  return /(^|[\s:])(fatal )?error(:| C\d+| LNK)|undefined reference to|^make(\[\d+\])?: \*\*\* |^CMake Error|^ninja: (error|build stopped)|^FAILED: |multiple definition of|^collect2: |ld returned \d/i.test(
    text,
  );
}
