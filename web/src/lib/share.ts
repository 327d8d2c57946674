// Lists that are asked for anew, with what has not changed the same as before, so that only what has is drawn.

import { type InfiniteData, replaceEqualDeep } from "@tanstack/react-query";

/** A page of a list, whose items have ids. */
interface Page<T> {
  items: T[];
  next?: string | null;
}

/** What came, made of what there was wherever that is equal: by id, since in a list that grows every place shifts. */
export function sharePages<T extends { id: string }>(before: unknown, came: unknown): unknown {
  const now = came as InfiniteData<Page<T>>;
  const old = before as InfiniteData<Page<T>> | undefined;
  if (!old) return now;
  const known = new Map(old.pages.flatMap((page) => page.items.map((item) => [item.id, item] as const)));
  const pages = now.pages.map((page, at) => {
    const items = page.items.map((item) => {
      const same = known.get(item.id);
      return same ? (replaceEqualDeep(same, item) as T) : item;
    });
    const last = old.pages[at];
    const isSame =
      last?.next === page.next &&
      last?.items.length === items.length &&
      last.items.every((item, place) => item === items[place]);
    return isSame ? last : { ...page, items };
  });
  // Where nothing has changed it is the very same, or those who look at it would be told that it has.
  const isSame = pages.length === old.pages.length && pages.every((page, at) => page === old.pages[at]);
  return isSame ? old : { ...now, pages };
}
