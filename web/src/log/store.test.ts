import { describe, expect, it } from "vitest";
import { LONGEST_LINE, LogStore } from "./store";

const all = (store: LogStore) => Array.from({ length: store.lines }, (_, i) => store.line(i).text);
const signal = () => new AbortController().signal;

describe("log store", () => {
  it("gives the same lines however the text was cut", () => {
    const text = "one\ntwo\n\nthree \x1b[31mred\x1b[0m\nfour\r\nlast without an end";
    for (let size = 1; size <= text.length; size += 1) {
      const store = new LogStore();
      for (let at = 0; at < text.length; at += size) store.append("stdout", text.slice(at, at + size), at, 0);
      expect(all(store), `in pieces of ${size}`).toEqual([
        "one",
        "two",
        "",
        "three \x1b[31mred\x1b[0m",
        "four",
        "last without an end",
      ]);
      expect(store.size).toBe(text.length);
    }
  });

  it("keeps a line together when the other stream writes in between", () => {
    const store = new LogStore();
    store.append("stdout", "checking for cc... ", 1, 0);
    store.append("stderr", "warning: x\nhalf", 2, 0);
    store.append("stdout", "yes\nnext\n", 3, 0);
    store.append("stderr", " whole\n", 4, 0);
    expect(all(store)).toEqual(["checking for cc... yes", "warning: x", "half whole", "next"]);
    expect([0, 1, 2, 3].map((i) => store.line(i).stream)).toEqual(["stdout", "stderr", "stderr", "stdout"]);
    expect(store.line(0).at).toBe(1);
  });

  it("carries colors from line to line, for each stream", () => {
    const store = new LogStore();
    store.append("stdout", "\x1b[32mgreen\n", 1, 0);
    store.append("stderr", "plain\n", 1, 0);
    store.append("stdout", "still\x1b[0m\nplain again\n", 1, 0);
    expect(store.line(1).style).toEqual({});
    expect(store.line(2).style).toEqual({ fg: 2 });
    expect(store.line(3).style).toEqual({});
  });

  it("has a section for each step, with its state", () => {
    const store = new LogStore();
    store.append("kiln", "fetching\n", 1, undefined);
    store.stepBegins(0, "configure", 2);
    store.append("stdout", "a\nb\n", 3, 0);
    store.stepEnds(0, 0, 4);
    store.stepBegins(1, "compile", 5);
    store.append("stderr", "c\n", 6, 1);
    store.stepEnds(1, 2, 7);
    expect(store.sections).toEqual([
      { step: undefined, first: 0, lines: 1 },
      { step: 0, first: 1, lines: 2 },
      { step: 1, first: 3, lines: 1 },
    ]);
    expect(store.steps.get(1)).toEqual({ name: "compile", begun: 5, ended: 7, exitCode: 2 });
  });

  it("finds text whatever the case, through colors", async () => {
    const store = new LogStore();
    store.append("stdout", "nothing\na \x1b[31mER\x1b[0mROR here\n", 1, 0);
    store.append("stderr", "Error again\nno\n", 1, 0);
    const hits: number[] = [];
    await store.search("error", signal(), (lines) => hits.push(...lines));
    expect(hits).toEqual([1, 2]);
    // What a terminal shows is found, whatever the order in which it came.
    const rewritten = new LogStore();
    rewritten.append("stdout", "xxror\rer\n\x1b]8;;http://x\x1b\\er\x1b]8;;\x1b\\ror\n", 1, 0);
    const also: number[] = [];
    await rewritten.search("error", signal(), (lines) => also.push(...lines));
    expect(also).toEqual([0, 1]);
    expect(await store.first((text) => text.startsWith("Error"), /error/i, signal())).toBe(2);
    expect(await store.first(() => false, /./, signal())).toBeUndefined();
  });

  it("shows what it can of a line without an end in sight", () => {
    const store = new LogStore();
    for (let i = 0; i < 1000; i += 1) store.append("stdout", "0123456789", 1, 0);
    const line = store.line(0);
    expect(store.lines).toBe(1);
    expect(line.text.length).toBe(LONGEST_LINE);
    expect(line.cut).toBe(10_000 - LONGEST_LINE);
    expect(store.raw(0).length).toBe(10_000);
  });

  it("says what is missing, and goes on", () => {
    const store = new LogStore();
    store.append("stdout", "before, cut o", 1, 0);
    store.gap(12_345, 2);
    store.append("stdout", "after\n", 3, 0);
    expect(all(store)).toEqual(["before, cut o", "12,345 bytes of the log were not kept", "after"]);
    expect(store.line(1).isGap).toBe(true);
  });

  it("puts bytes that are not UTF-8 together across pieces", () => {
    const store = new LogStore();
    store.appendBytes("stdout", new Uint8Array([0xe2, 0x82]), 1, 0);
    store.appendBytes("stdout", new Uint8Array([0xac, 0xff, 0x0a]), 1, 0);
    expect(all(store)).toEqual(["€\ufffd"]);
  });

  it("takes a million lines", () => {
    const store = new LogStore();
    const piece = Array.from(
      { length: 1000 },
      (_, i) => `line ${i} of a piece, with some text to be long enough\n`,
    ).join("");
    for (let i = 0; i < 1000; i += 1) store.append("stdout", piece, i, 0);
    expect(store.lines).toBe(1_000_000);
    expect(store.line(999_999).text).toMatch(/^line 999 /);
  });
});
