// Terminal colors as runs of text with a style. Nothing of a log is ever markup: the result is plain
// strings, and a link only where it leads to http or https.

/** How a run of text looks. Colors are 0–255 of the palette, or `#rrggbb`. */
export interface Style {
  fg?: number | string;
  bg?: number | string;
  bold?: boolean;
  dim?: boolean;
  italic?: boolean;
  underline?: boolean;
  inverse?: boolean;
  strike?: boolean;
  hidden?: boolean;
  href?: string;
}

/** A run of text. */
export interface Run {
  text: string;
  style: Style;
}

/** The style before anything was said. */
export const PLAIN: Style = Object.freeze({});

const ESC = "\u001b";
const hex = (n: number) =>
  Math.min(255, Math.max(0, n | 0))
    .toString(16)
    .padStart(2, "0");

/** Whether a line needs more than to be shown as it is. */
export function isPlain(line: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
  return !/[\u0000-\u0008\u000b-\u001f\u007f\u009b\u009d]/.test(line);
}

/** An escape sequence that begins at `at`: where it ends, and what it was. */
function sequence(
  line: string,
  at: number,
): { end: number; kind: "sgr" | "osc" | "erase" | "other"; body: string } {
  const single = line[at] === ESC ? line[at + 1] : line[at] === "\u009b" ? "[" : "]";
  const begin = line[at] === ESC ? at + 2 : at + 1;
  if (single === "[") {
    let end = begin;
    while (end < line.length && line.charCodeAt(end) >= 0x20 && line.charCodeAt(end) <= 0x3f) end += 1;
    const final = line[end];
    const body = line.slice(begin, end);
    // What is cut off, or goes on with what cannot be part of it, ends where that is.
    if (final === undefined || final < "@" || final > "~") return { end, kind: "other", body };
    return { end: end + 1, kind: final === "m" ? "sgr" : final === "K" ? "erase" : "other", body };
  }
  if (single === "]" || single === "P" || single === "X" || single === "^" || single === "_") {
    for (let end = begin; end < line.length; end += 1) {
      const is = line[end];
      if (is === "\u0007" || is === "\u009c")
        return { end: end + 1, kind: single === "]" ? "osc" : "other", body: line.slice(begin, end) };
      if (is === ESC && line[end + 1] === "\\") {
        return { end: end + 2, kind: single === "]" ? "osc" : "other", body: line.slice(begin, end) };
      }
    }
    return { end: line.length, kind: "other", body: "" };
  }
  // A charset selection has one more letter, everything else is two characters.
  return {
    end: Math.min(line.length, "()*+".includes(single ?? "?") ? at + 3 : at + 2),
    kind: "other",
    body: "",
  };
}

/** What a link leads to, if it may lead there. */
export function safeHref(url: string): string | undefined {
  try {
    const parsed = new URL(url);
    return parsed.protocol === "http:" || parsed.protocol === "https:" ? parsed.href : undefined;
  } catch {
    return undefined;
  }
}

/** The style after the parameters of one SGR sequence. */
export function sgr(style: Style, body: string): Style {
  let next: Style = { ...style };
  const codes =
    body === "" ? [0] : body.split(/[;:]/).map((code) => (code === "" ? 0 : Number.parseInt(code, 10)));
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i] ?? 0;
    if (code === 0) next = next.href ? { href: next.href } : {};
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 3) next.italic = true;
    else if (code === 4 || code === 21) next.underline = true;
    else if (code === 7) next.inverse = true;
    else if (code === 8) next.hidden = true;
    else if (code === 9) next.strike = true;
    else if (code === 22) {
      next.bold = undefined;
      next.dim = undefined;
    } else if (code === 23) next.italic = undefined;
    else if (code === 24) next.underline = undefined;
    else if (code === 27) next.inverse = undefined;
    else if (code === 28) next.hidden = undefined;
    else if (code === 29) next.strike = undefined;
    else if (code >= 30 && code <= 37) next.fg = code - 30;
    else if (code >= 40 && code <= 47) next.bg = code - 40;
    else if (code >= 90 && code <= 97) next.fg = code - 82;
    else if (code >= 100 && code <= 107) next.bg = code - 92;
    else if (code === 39) next.fg = undefined;
    else if (code === 49) next.bg = undefined;
    else if (code === 38 || code === 48) {
      const which = code === 38 ? "fg" : "bg";
      if (codes[i + 1] === 5) {
        const index = codes[i + 2];
        if (index !== undefined && index >= 0 && index <= 255) next[which] = index;
        i += 2;
      } else if (codes[i + 1] === 2) {
        // `38:2::r:g:b` has an empty color space, which reads as a fourth number.
        const skip = body.includes("::") ? 1 : 0;
        const [r, g, b] = codes.slice(i + 2 + skip, i + 5 + skip);
        if (r !== undefined && g !== undefined && b !== undefined)
          next[which] = `#${hex(r)}${hex(g)}${hex(b)}`;
        i += 4 + skip;
      }
    }
  }
  return next;
}

/** The style at the end of a line that began with `style`: what the next line of its stream begins with. */
export function carry(line: string, style: Style): Style {
  let at = line.indexOf(ESC);
  while (at >= 0) {
    const found = sequence(line, at);
    if (found.kind === "sgr") style = sgr(style, found.body);
    else if (found.kind === "osc") style = link(style, found.body);
    at = line.indexOf(ESC, Math.max(found.end, at + 1));
  }
  return style;
}

function link(style: Style, body: string): Style {
  const match = /^8;[^;]*;(.*)$/s.exec(body);
  return match ? { ...style, href: match[1] ? safeHref(match[1]) : undefined } : style;
}

/** A line as a terminal would show it, in runs; `start` is the style that it begins with. */
export function parse(line: string, start: Style = PLAIN): Run[] {
  if (isPlain(line)) return line === "" ? [] : [{ text: line, style: start }];
  // A terminal's row: what is written after a carriage return goes over what was there.
  const cells: string[] = [];
  const styles: Style[] = [];
  let column = 0;
  let style = start;
  for (let at = 0; at < line.length; ) {
    const is = line.charCodeAt(at);
    if (is === 0x1b || is === 0x9b || is === 0x9d) {
      const found = sequence(line, at);
      if (found.kind === "sgr") style = sgr(style, found.body);
      else if (found.kind === "osc") style = link(style, found.body);
      else if (found.kind === "erase" && found.body !== "1") {
        cells.length = found.body === "2" ? 0 : Math.min(cells.length, column);
        styles.length = cells.length;
      }
      at = Math.max(found.end, at + 1);
      continue;
    }
    if (is === 0x0d) column = 0;
    else if (is === 0x08) column = Math.max(0, column - 1);
    else if ((is >= 0x20 && is !== 0x7f) || is === 0x09) {
      const length = is >= 0xd800 && is <= 0xdbff && at + 1 < line.length ? 2 : 1;
      while (cells.length < column) {
        cells.push(" ");
        styles.push(PLAIN);
      }
      cells[column] = line.slice(at, at + length);
      styles[column] = style;
      column += 1;
      at += length;
      continue;
    }
    at += 1;
  }
  const runs: Run[] = [];
  for (let i = 0; i < cells.length; i += 1) {
    const last = runs[runs.length - 1];
    const is = styles[i] ?? PLAIN;
    if (last && last.style === is) last.text += cells[i];
    else runs.push({ text: cells[i] ?? "", style: is });
  }
  return runs;
}

/** The text alone. */
export function strip(line: string): string {
  if (isPlain(line)) return line;
  return parse(line)
    .map((run) => run.text)
    .join("");
}

/** A palette color beyond the first sixteen, which belong to the theme. */
export function palette(index: number): string {
  if (index >= 232) {
    const level = hex(8 + (index - 232) * 10);
    return `#${level}${level}${level}`;
  }
  const part = (n: number) => hex(n === 0 ? 0 : 55 + n * 40);
  const cube = index - 16;
  return `#${part(Math.floor(cube / 36))}${part(Math.floor(cube / 6) % 6)}${part(cube % 6)}`;
}
