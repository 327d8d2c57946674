import { describe, expect, it } from "vitest";
import { parse } from "../lib/ansi";
import { ERROR_HINT, hashOf, highlight, layout, linesOf, looksLikeError, rowAt, rowOf } from "./rows";
import { LogStore } from "./store";

function store() {
  const log = new LogStore();
  log.append("kiln", "fetched\n", 1, undefined);
  log.append("stdout", "a\nb\n", 1, 0);
  log.append("kiln", "a note\n", 1, undefined);
  log.append("stdout", "c\n", 1, 0);
  log.append("stderr", "d\ne\n", 1, 1);
  return log;
}

const shown = (log: LogStore, folded: number[]) => {
  const { parts, rows } = layout(log, new Set(folded));
  return Array.from({ length: rows }, (_, i) => {
    const row = rowAt(parts, i);
    return row?.kind === "line" ? log.line(row.line).text : `[${row?.part.section.step}]`;
  });
};

describe("rows", () => {
  it("has a heading for each step, once", () => {
    expect(shown(store(), [])).toEqual(["fetched", "[0]", "a", "b", "a note", "c", "[1]", "d", "e"]);
  });

  it("does not begin a step anew that is told of twice", () => {
    const log = new LogStore();
    log.stepBegins(0, "configure", 1);
    log.append("stdout", "a\n", 1, 0);
    log.stepBegins(1, "compile", 2);
    log.append("stdout", "b\n", 2, 1);
    log.stepBegins(0, "configure", 1);
    log.append("stdout", "c\n", 3, 1);
    expect(shown(log, [])).toEqual(["[0]", "a", "[1]", "b", "c"]);
  });

  it("leaves out what is folded, and nothing else", () => {
    expect(shown(store(), [1])).toEqual(["fetched", "[0]", "a note", "[1]", "d", "e"]);
    expect(shown(store(), [1, 4])).toEqual(["fetched", "[0]", "a note", "[1]"]);
  });

  it("finds the row of every line, and every line in its row", () => {
    const log = store();
    for (const folded of [[], [1], [4], [1, 4]]) {
      const { parts } = layout(log, new Set(folded));
      for (let line = 0; line < log.lines; line += 1) {
        const found = rowOf(parts, line);
        const row = rowAt(parts, found?.row ?? -1);
        if (found?.heading === undefined) expect(row).toEqual({ kind: "line", line });
        else expect(row).toMatchObject({ kind: "step", part: { index: found.heading } });
      }
      expect(rowOf(parts, log.lines)).toBeUndefined();
      expect(rowAt(parts, 99)).toBeUndefined();
    }
  });

  it("marks what was searched for, also across colors", () => {
    const marked = (line: string, wanted: string) =>
      highlight(parse(line), wanted)
        .map((run) => (run.isHit ? `<${run.text}>` : run.text))
        .join("");
    expect(marked("an Error and an error", "error")).toBe("an <Error> and an <error>");
    expect(marked("er\x1b[31mro\x1b[0mr!", "error")).toBe("<er><ro><r>!");
    expect(marked("aaaa", "aa")).toBe("<aa><aa>");
    expect(marked("nothing", "x")).toBe("nothing");
    expect(marked("İx", "x")).toBe("İx");
  });

  it("reads and writes addresses of lines", () => {
    expect(linesOf("#L3")).toEqual([3, 3]);
    expect(linesOf("#L9-L3")).toEqual([3, 9]);
    expect(hashOf([3, 9])).toBe("#L3-L9");
    for (const bad of ["", "#", "#L", "#L0", "#Lx", "#L1-", "#L1-L0", "#L1<script>", "#L9999999999"]) {
      expect(linesOf(bad), bad).toBeUndefined();
    }
  });

  it("knows errors of compilers, linkers and build systems", () => {
    for (const text of [
      "a.c:1:2: error: x",
      "a.c:1:2: fatal error: x.h: No such file",
      "a.o: undefined reference to `f'",
      "make: *** [Makefile:2: all] Error 1",
      "CMake Error at CMakeLists.txt:1",
      "collect2: error: ld returned 1 exit status",
    ]) {
      expect(looksLikeError(text), text).toBe(true);
      expect(ERROR_HINT.test(text), text).toBe(true);
    }
    for (const text of ["checking for error.h... yes", "gcc -c error.c", "0 errors", "-Werror=x"]) {
      expect(looksLikeError(text), text).toBe(false);
    }
  });
});
