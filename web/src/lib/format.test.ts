import { describe, expect, it } from "vitest";
import { ago, bytes, count, duration, refName, repository, short, words } from "./format";

describe("format", () => {
  it("says how long ago", () => {
    const now = Date.parse("2026-11-27T12:00:00Z");
    const said = (seconds: number) => ago(now - seconds * 1000, now);
    expect([0, 9, 45, 60, 3599, 3600, 86_400, 40 * 86_400, 800 * 86_400].map(said)).toEqual([
      "just now",
      "just now",
      "45 sec. ago",
      "1 min. ago",
      "59 min. ago",
      "1 hr. ago",
      "yesterday",
      "last mo.",
      "2 yr. ago",
    ]);
    expect(said(-90)).toBe("in 1 min.");
  });

  it("says how long", () => {
    expect([0, 999, 1000, 59_949, 59_950, 3_599_400, 3_600_000, 90_000_000].map(duration)).toEqual([
      "0 ms",
      "999 ms",
      "1.0 s",
      "59.9 s",
      "1 min 0 s",
      "59 min 59 s",
      "1 h 0 min",
      "25 h 0 min",
    ]);
  });

  it("says how much", () => {
    expect([0, 1023, 1024, 10 * 1024, 1024 * 1024 - 1, 5 * 2 ** 30].map(bytes)).toEqual([
      "0 B",
      "1023 B",
      "1.0 KiB",
      "10 KiB",
      "1.0 MiB",
      "5.0 GiB",
    ]);
    expect([count(1, "file"), count(2, "file"), count(1234, "line")]).toEqual([
      "1 file",
      "2 files",
      "1,234 lines",
    ]);
  });

  it("shortens names and nothing that tells them apart", () => {
    expect(short("0123456789abcdef0123456789abcdef01234567")).toBe("0123456789ab");
    expect(short(`tree-${"ab".repeat(32)}`)).toBe("tree-abababababab");
    expect(refName("refs/heads/feature/x")).toBe("feature/x");
    expect(refName("refs/tags/v1")).toBe("tags/v1");
    expect(repository("https://git.example.org/zlib.git")).toBe("git.example.org/zlib");
    expect(words("memory_limit")).toBe("memory limit");
  });
});
