import { describe, expect, it } from "vitest";
import { carry, isPlain, PLAIN, palette, parse, safeHref, sgr, strip } from "./ansi";

const texts = (line: string) => parse(line).map((run) => run.text);

describe("ansi", () => {
  it("leaves plain lines as they are", () => {
    expect(parse("a.c:1: error\tx")).toEqual([{ text: "a.c:1: error\tx", style: PLAIN }]);
    expect(parse("")).toEqual([]);
    expect(isPlain("żółw 😀")).toBe(true);
  });

  it("knows the sixteen, the palette and true color", () => {
    expect(parse("\x1b[1;31mred\x1b[0m")[0]).toEqual({ text: "red", style: { bold: true, fg: 1 } });
    expect(sgr({}, "38;5;208")).toEqual({ fg: 208 });
    expect(sgr({}, "48;2;1;2;255")).toEqual({ bg: "#0102ff" });
    expect(sgr({}, "38:2::1:2:3")).toEqual({ fg: "#010203" });
    expect(sgr({}, "38;5")).toEqual({});
    expect(sgr({}, "38;2;300;-1;0").fg).toBe("#ff0000");
    expect(sgr({ fg: 1, bold: true }, "22;39")).toEqual({ fg: undefined, bold: undefined, dim: undefined });
    expect(sgr({}, "93;100")).toEqual({ fg: 11, bg: 8 });
    expect(palette(16)).toBe("#000000");
    expect(palette(231)).toBe("#ffffff");
    expect(palette(244)).toBe("#808080");
  });

  it("shows gcc's lines, which erase after every color", () => {
    const line = "\x1b[01m\x1b[Ka.c:1:5:\x1b[m\x1b[K \x1b[01;31m\x1b[Kerror: \x1b[m\x1b[K not";
    expect(strip(line)).toBe("a.c:1:5: error:  not");
    expect(parse(line).map((run) => run.style.bold ?? false)).toEqual([true, false, true, false]);
  });

  it("writes over what a carriage return goes back to", () => {
    expect(strip("10 %\r20 %\r100 %")).toBe("100 %");
    expect(strip("abcdef\rxy")).toBe("xycdef");
    expect(strip("abcdef\rxy\x1b[K")).toBe("xy");
    expect(strip("ab\b\bc")).toBe("cb");
    expect(strip("done\r")).toBe("done");
  });

  it("links to the web only, and to nothing else", () => {
    const linked = (url: string) => parse(`\x1b]8;;${url}\x1b\\text\x1b]8;;\x1b\\ after`);
    expect(linked("https://gcc.gnu.org/x")[0]?.style.href).toBe("https://gcc.gnu.org/x");
    expect(linked("https://gcc.gnu.org/x")[1]?.style.href).toBeUndefined();
    for (const url of [
      "javascript:alert(1)",
      "data:text/html,x",
      "file:///etc/passwd",
      "//x",
      "JaVaScRiPt:x",
    ]) {
      expect(linked(url)[0]?.style.href, url).toBeUndefined();
      expect(safeHref(url)).toBeUndefined();
    }
  });

  it("drops what it does not know and never the text around it", () => {
    expect(strip("a\x1b[2Jb\x1b(Bc\x1b]0;title\x07d\x1bPq#1\x1b\\e")).toBe("abcde");
    expect(strip("cut\x1b[31")).toBe("cut");
    expect(strip("cut\x1b")).toBe("cut");
    expect(strip("cut\x1b]8;;http://x")).toBe("cut");
    expect(texts("\x00\x01nul\x7f")).toEqual(["nul"]);
    // A sequence that is broken off by text does not take the text with it.
    expect(strip("\x1b[31é")).toBe("é");
  });

  it("carries a style to the next line", () => {
    const style = carry("\x1b[33mwarning", PLAIN);
    expect(style).toEqual({ fg: 3 });
    expect(parse("more", style)[0]?.style).toEqual({ fg: 3 });
    expect(carry("\x1b[m", style)).toEqual({});
  });

  it("takes any bytes without an end or an exception", () => {
    let seed = 7;
    const next = () => {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      return seed;
    };
    const alphabet = [
      "\x1b",
      "[",
      "]",
      "m",
      ";",
      "3",
      "8",
      "K",
      "\r",
      "\b",
      "\x07",
      "\\",
      "a",
      "😀",
      "\x9b",
      "P",
    ];
    for (let round = 0; round < 2000; round += 1) {
      let line = "";
      for (let i = 0; i < 24; i += 1) line += alphabet[next() % alphabet.length];
      expect(typeof strip(line)).toBe("string");
      carry(line, PLAIN);
    }
  });
});
