// A log in memory: a million lines as text that arrived, and numbers that say where each line is in it.
//
// Text is kept in the pieces it came in; a line is a piece, a begin and an end, in typed arrays. What a
// line looks like is worked out when it is shown. A line belongs to the stream it came from: bytes of the
// other stream do not break it apart. Sections are the steps of an attempt, in the order of their lines.

import { carry, PLAIN, type Style, strip } from "../lib/ansi";

export type StreamName = "stdout" | "stderr" | "kiln";
const STREAMS: readonly StreamName[] = ["stdout", "stderr", "kiln"];
const CARRIES = 4;
const LOST = 8;

/** A part of the log under one heading. */
export interface Section {
  /** The step, counted from 0; none outside of steps. */
  step: number | undefined;
  /** The number of its first line, counted from 0. */
  first: number;
  lines: number;
}

/** What is known of a step. */
export interface StepState {
  name: string;
  begun: number;
  ended: number | undefined;
  exitCode: number | undefined;
}

/** A line that is to be shown. */
export interface Line {
  /** Counted from 0. */
  number: number;
  text: string;
  style: Style;
  stream: StreamName;
  at: number;
  /** Characters beyond what is shown. */
  cut: number;
  /** It stands for bytes that were not kept. */
  isGap: boolean;
}

/** A piece of text with its time. */
interface Piece {
  text: string;
  at: number;
}

/** The longest line that is shown whole. */
export const LONGEST_LINE = 4_000;

/** Numbers that grow. */
class Column<T extends Uint32Array | Uint8Array> {
  #data: T;
  #make: (length: number) => T;
  constructor(make: (length: number) => T) {
    this.#make = make;
    this.#data = make(1024);
  }
  set(at: number, value: number) {
    if (at >= this.#data.length) {
      const larger = this.#make(this.#data.length * 2);
      larger.set(this.#data);
      this.#data = larger;
    }
    this.#data[at] = value;
  }
  get(at: number): number {
    return this.#data[at] ?? 0;
  }
}

/** Text without the escape sequences that usual programs write, as a quick look at many lines. */
function bare(text: string): string {
  if (!text.includes("\u001b")) return text;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
  return text.replace(/\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\))/g, "");
}

/** Whether what is seen of it is not what stands there in this order. */
function isRewritten(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
  return /\r(?!\n)|\u0008|[\u009b\u009d]|\u001b[^[\]]/.test(text);
}

export class LogStore {
  #pieces: Piece[] = [];
  #piece = new Column((n) => new Uint32Array(n));
  #begin = new Column((n) => new Uint32Array(n));
  #end = new Column((n) => new Uint32Array(n));
  #flags = new Column((n) => new Uint8Array(n));
  #styles = new Map<number, Style>();
  /** For each stream the line that has no end yet, and the style that the next one begins with. */
  #open: (number | undefined)[] = [undefined, undefined, undefined];
  #style: Style[] = [PLAIN, PLAIN, PLAIN];
  #decoders = STREAMS.map(() => new TextDecoder());
  lines = 0;
  /** Bytes of text that came. */
  size = 0;
  sections: Section[] = [];
  steps = new Map<number, StepState>();
  /** Changes with everything that is taken. */
  version = 0;

  /** Takes the next bytes of a stream. */
  append(stream: StreamName, text: string, at: number, step: number | undefined) {
    // What was left of a character that never became whole.
    const broken = this.#decoders[STREAMS.indexOf(stream)]?.decode() ?? "";
    this.#take(stream, broken + text, at, step);
  }

  #take(stream: StreamName, text: string, at: number, step: number | undefined) {
    if (text === "") return;
    this.version += 1;
    this.size += text.length;
    const which = STREAMS.indexOf(stream);
    let from = 0;
    const open = this.#open[which];
    if (open !== undefined) {
      const newline = text.indexOf("\n");
      const end = newline < 0 ? text.length : newline;
      this.#extend(open, text.slice(0, end));
      if (newline < 0) return;
      this.#close(which, open);
      from = newline + 1;
    }
    if (from >= text.length) return;
    const piece = this.#pieces.length;
    this.#pieces.push({ text, at });
    const section = this.#section(step);
    while (from < text.length) {
      const newline = text.indexOf("\n", from);
      const end = newline < 0 ? text.length : newline;
      const line = this.#add(piece, from, end, which);
      section.lines += 1;
      if (this.#style[which] !== PLAIN) {
        this.#styles.set(line, this.#style[which] ?? PLAIN);
        this.#flags.set(line, this.#flags.get(line) | CARRIES);
      }
      if (newline < 0) {
        this.#open[which] = line;
        return;
      }
      this.#close(which, line);
      from = newline + 1;
    }
  }

  /** Takes bytes that are not UTF-8. */
  appendBytes(stream: StreamName, bytes: Uint8Array, at: number, step: number | undefined) {
    const decoder = this.#decoders[STREAMS.indexOf(stream)];
    this.#take(stream, decoder?.decode(bytes, { stream: true }) ?? "", at, step);
  }

  /** Notes that bytes are missing. */
  gap(missing: number, at: number) {
    this.#open = [undefined, undefined, undefined];
    const piece = this.#pieces.length;
    const text = `${missing.toLocaleString("en")} bytes of the log were not kept`;
    this.#pieces.push({ text, at });
    const section = this.#section(this.sections.at(-1)?.step);
    const line = this.#add(piece, 0, text.length, 2);
    this.#flags.set(line, this.#flags.get(line) | LOST);
    section.lines += 1;
    this.version += 1;
  }

  /** Notes that a step began. */
  stepBegins(step: number, name: string, at: number) {
    // After a reconnect it may be told once more.
    if (this.steps.has(step)) return;
    this.steps.set(step, { name, begun: at, ended: undefined, exitCode: undefined });
    this.#section(step);
    this.version += 1;
  }

  /** Notes that a step ended. */
  stepEnds(step: number, exitCode: number, at: number) {
    const state = this.steps.get(step);
    if (state) this.steps.set(step, { ...state, ended: at, exitCode });
    this.version += 1;
  }

  /** The line with this number, counted from 0. */
  line(number: number): Line {
    const piece = this.#pieces[this.#piece.get(number)];
    const begin = this.#begin.get(number);
    const end = this.#end.get(number);
    const shown = Math.min(end, begin + LONGEST_LINE);
    const flags = this.#flags.get(number);
    return {
      number,
      text: piece?.text.slice(begin, shown) ?? "",
      style: flags & CARRIES ? (this.#styles.get(number) ?? PLAIN) : PLAIN,
      stream: STREAMS[flags & 3] ?? "stdout",
      at: piece?.at ?? 0,
      cut: end - shown,
      isGap: (flags & LOST) !== 0,
    };
  }

  /** The whole text of a line. */
  raw(number: number): string {
    return (
      this.#pieces[this.#piece.get(number)]?.text.slice(this.#begin.get(number), this.#end.get(number)) ?? ""
    );
  }

  /** The lines that have `text` in them, colors left out, whatever the case; gives the page its turns. */
  async search(text: string, signal: AbortSignal, found: (lines: number[]) => void, from = 0): Promise<void> {
    const wanted = text.toLowerCase();
    if (wanted === "") return;
    let begun = performance.now();
    let hits: number[] = [];
    let piece = -1;
    let mayHave = false;
    for (let number = from; number < this.lines; number += 1) {
      const at = this.#piece.get(number);
      if (at !== piece) {
        piece = at;
        const whole = this.#pieces[at]?.text ?? "";
        // Most pieces do not have it: they are passed over whole.
        mayHave = isRewritten(whole) || bare(whole).toLowerCase().includes(wanted);
      }
      if (mayHave && strip(this.raw(number)).toLowerCase().includes(wanted)) hits.push(number);
      if ((number & 255) === 0 && performance.now() - begun > 8) {
        if (hits.length > 0) found(hits);
        hits = [];
        await new Promise((resolve) => setTimeout(resolve, 0));
        if (signal.aborted) return;
        begun = performance.now();
      }
    }
    if (hits.length > 0) found(hits);
  }

  /** The first line for which this is true, in turns; what does not match `hint` has none. */
  async first(is: (text: string) => boolean, hint: RegExp, signal: AbortSignal): Promise<number | undefined> {
    let begun = performance.now();
    let piece = -1;
    let mayHave = false;
    for (let number = 0; number < this.lines; number += 1) {
      const at = this.#piece.get(number);
      if (at !== piece) {
        piece = at;
        const whole = this.#pieces[at]?.text ?? "";
        mayHave = isRewritten(whole) || hint.test(bare(whole));
      }
      if (mayHave && is(strip(this.raw(number)))) return number;
      if ((number & 255) === 0 && performance.now() - begun > 8) {
        await new Promise((resolve) => setTimeout(resolve, 0));
        if (signal.aborted) return undefined;
        begun = performance.now();
      }
    }
    return undefined;
  }

  #section(step: number | undefined): Section {
    const last = this.sections.at(-1);
    if (last && last.step === step) return last;
    const section = { step, first: this.lines, lines: 0 };
    this.sections.push(section);
    return section;
  }

  #add(piece: number, begin: number, end: number, which: number): number {
    const line = this.lines;
    this.#piece.set(line, piece);
    this.#begin.set(line, begin);
    this.#end.set(line, end);
    this.#flags.set(line, which);
    this.lines += 1;
    return line;
  }

  /** Adds text to a line that has no end yet: from then on it has a piece of its own. */
  #extend(line: number, text: string) {
    const index = this.#piece.get(line);
    const piece = this.#pieces[index];
    const begin = this.#begin.get(line);
    const end = this.#end.get(line);
    if (!piece || text === "") return;
    if (begin === 0 && end === piece.text.length) {
      piece.text += text;
      this.#end.set(line, piece.text.length);
      return;
    }
    const whole = piece.text.slice(begin, end) + text;
    this.#piece.set(line, this.#pieces.length);
    this.#pieces.push({ text: whole, at: piece.at });
    this.#begin.set(line, 0);
    this.#end.set(line, whole.length);
  }

  #close(which: number, line: number) {
    this.#open[which] = undefined;
    const end = this.#end.get(line);
    const piece = this.#pieces[this.#piece.get(line)];
    const begin = this.#begin.get(line);
    const text = piece?.text ?? "";
    // Windows' line ends; a carriage return within a line is a terminal's.
    if (end > begin && text.charCodeAt(end - 1) === 0x0d) this.#end.set(line, end - 1);
    const sequence = text.indexOf("\u001b", begin);
    if (sequence >= 0 && sequence < end) {
      const style = carry(text.slice(begin, end), this.#style[which] ?? PLAIN);
      this.#style[which] = Object.values(style).some((value) => value !== undefined) ? style : PLAIN;
    }
  }
}
