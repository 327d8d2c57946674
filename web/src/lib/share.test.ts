import { expect, it } from "vitest";
import { sharePages } from "./share";

const page = (...items: { id: string; state: string; jobs: string[] }[]) => ({
  pages: [{ items, next: null }],
  pageParams: [undefined],
});
const one = (id: string, state = "running") => ({ id, state, jobs: ["a", "b"] });

it("keeps what is equal, wherever in the list it is now", () => {
  const before = page(one("b"), one("a"));
  const came = page(one("c"), one("b", "finished"), one("a"));
  const shared = sharePages(before, came) as ReturnType<typeof page>;
  expect(shared).toEqual(came);
  expect(shared.pages[0]?.items[2]).toBe(before.pages[0]?.items[1]);
  expect(shared.pages[0]?.items[1]).not.toBe(before.pages[0]?.items[0]);
  expect(shared.pages[0]?.items[1]?.jobs).toBe(before.pages[0]?.items[0]?.jobs);
  expect(sharePages(undefined, came)).toBe(came);
  expect(sharePages(before, page(one("b"), one("a")))).toBe(before);
  expect(sharePages(before, page(one("b")))).not.toBe(before);
});
