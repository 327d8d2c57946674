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
  return {
    ...now,
    pages: now.pages.map((page) => ({
      ...page,
      items: page.items.map((item) => {
        const same = known.get(item.id);
        return same ? (replaceEqualDeep(same, item) as T) : item;
      }),
    })),
  };
}
