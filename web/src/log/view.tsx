// The log on the screen: only the rows that are seen are there, however many the log has.

import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { logUrl } from "../lib/api";
import { bytes, count } from "../lib/format";
import { isTyping } from "../ui";
import type { Followed } from "./follow";
import { LogRow, type Options, StepRow } from "./row";
import { ERROR_HINT, hashOf, layout, linesOf, looksLikeError, rowAt, rowOf } from "./rows";

/** The height of a row; the style sheet has the same. */
const ROW = 18;
/** Rows beyond what is seen, above and below. */
const SPARE = 24;
/** Browsers cannot make a box higher than some 17 million pixels: beyond this, a pixel is more than one. */
const TALLEST = 15_000_000;
/** The most hits that are counted. */
const MOST_HITS = 100_000;

function stored(): Options {
  try {
    return { numbers: true, times: false, ...JSON.parse(localStorage.getItem("kiln.log") ?? "{}") };
  } catch {
    return { numbers: true, times: false };
  }
}

export default function LogView({
  followed,
  job,
  isRunning,
  goToError,
}: {
  followed: Followed;
  job: string;
  isRunning: boolean;
  /** It failed: who comes without an address of a line is shown the first error. */
  goToError: boolean;
}) {
  const { store, connection, problem, isWhole, attempt } = followed;
  const box = useRef<HTMLDivElement>(null);
  const searchField = useRef<HTMLInputElement>(null);
  const [options, setOptions] = useState(stored);
  const [folded, setFolded] = useState<ReadonlySet<number>>(new Set());
  const [view, setView] = useState({ top: 0, height: 600, scroll: 0 });
  const [follows, setFollows] = useState(isRunning && !linesOf(location.hash));
  const [picked, setPicked] = useState<[number, number] | undefined>(() => linesOf(location.hash));
  const [wanted, setWanted] = useState("");
  const [hits, setHits] = useState<number[]>([]);
  const [hit, setHit] = useState(-1);
  const lastScroll = useRef(0);
  const anchor = useRef<number | undefined>(undefined);
  const hasMoved = useRef(false);

  const { version } = store;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the store is changed in place, its version says so
  const { parts, rows } = useMemo(() => layout(store, folded), [store, version, folded]);

  const full = rows * ROW;
  const height = Math.min(full, TALLEST);
  const most = Math.max(0, full - view.height);
  const mostScroll = Math.max(0, height - view.height);
  const scale = mostScroll > 0 ? most / mostScroll : 1;

  const goTo = useCallback(
    (top: number) => {
      const element = box.current;
      if (!element) return;
      const wantedTop = Math.max(0, Math.min(top, Math.max(0, full - element.clientHeight)));
      element.scrollTop = wantedTop / scale;
      lastScroll.current = element.scrollTop;
      setView({ top: wantedTop, height: element.clientHeight, scroll: element.scrollTop });
    },
    [full, scale],
  );

  const onScroll = () => {
    const element = box.current;
    if (!element) return;
    const { scrollTop, clientHeight } = element;
    const isEnd = scrollTop >= height - clientHeight - 2 * ROW;
    if (scrollTop < lastScroll.current - 1 && !isEnd) setFollows(false);
    else if (isEnd && isRunning && scrollTop > lastScroll.current) setFollows(true);
    if (Math.abs(scrollTop - lastScroll.current) > 1) hasMoved.current = true;
    else if (scale > 1) return;
    lastScroll.current = scrollTop;
    setView({ top: scrollTop * scale, height: clientHeight, scroll: scrollTop });
  };

  // Where a pixel of the bar is more than a pixel of the log, the wheel still moves by pixels.
  useEffect(() => {
    const element = box.current;
    if (!element || scale <= 1.0001) return;
    const onWheel = (event: WheelEvent) => {
      if (event.ctrlKey || event.deltaY === 0) return;
      event.preventDefault();
      hasMoved.current = true;
      if (event.deltaY < 0) setFollows(false);
      const by =
        event.deltaMode === 1
          ? event.deltaY * ROW
          : event.deltaMode === 2
            ? event.deltaY * element.clientHeight
            : event.deltaY;
      setView((before) => {
        const top = Math.max(0, Math.min(most, before.top + by));
        element.scrollTop = top / scale;
        lastScroll.current = element.scrollTop;
        return { top, height: element.clientHeight, scroll: element.scrollTop };
      });
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, [scale, most]);

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() =>
      setView((before) => ({ ...before, height: element.clientHeight })),
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useLayoutEffect(() => {
    if (follows) goTo(full);
  }, [follows, full, goTo]);

  useEffect(() => {
    localStorage.setItem("kiln.log", JSON.stringify(options));
  }, [options]);

  /** Shows a line in the middle, unfolded. */
  const show = useCallback(
    (line: number) => {
      const place = rowOf(parts, line);
      if (!place) return;
      setFollows(false);
      hasMoved.current = true;
      if (place.heading !== undefined) {
        const open = new Set(folded);
        open.delete(place.heading);
        setFolded(open);
        const after = rowOf(layout(store, open).parts, line);
        requestAnimationFrame(() => goTo((after?.row ?? 0) * ROW - (box.current?.clientHeight ?? 0) / 2));
        return;
      }
      goTo(place.row * ROW - (box.current?.clientHeight ?? 0) / 2);
    },
    [parts, folded, store, goTo],
  );

  // The line that the address names, once it is there.
  const target = useRef(picked?.[0]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: looks again whenever lines came
  useEffect(() => {
    if (target.current === undefined || store.lines < target.current) return;
    const line = target.current - 1;
    target.current = undefined;
    show(line);
  }, [version, show]);

  useEffect(() => {
    const onHash = () => {
      const lines = linesOf(location.hash);
      setPicked(lines);
      if (lines) show(lines[0] - 1);
    };
    window.addEventListener("hashchange", onHash);
    return () => window.removeEventListener("hashchange", onHash);
  }, [show]);

  const onPick = useCallback((line: number, more: boolean) => {
    const from = more && anchor.current !== undefined ? anchor.current : line;
    if (!more) anchor.current = line;
    const range: [number, number] = [Math.min(from, line), Math.max(from, line)];
    setPicked(range);
    setFollows(false);
    history.replaceState(history.state, "", hashOf(range));
  }, []);

  const toError = useCallback(async () => {
    const first = await store.first(looksLikeError, ERROR_HINT, new AbortController().signal);
    if (first !== undefined) {
      setPicked([first + 1, first + 1]);
      show(first);
    }
    return first;
  }, [store, show]);

  // Who opens the log of a failure wants to see it.
  const hasLooked = useRef(isRunning);
  useEffect(() => {
    if (!goToError || !isWhole || hasLooked.current || picked || hasMoved.current) return;
    hasLooked.current = true;
    void toError();
  }, [goToError, isWhole, picked, toError]);

  // The search goes on where lines come.
  const searched = useRef({ wanted: "", store, upTo: 0 });
  // biome-ignore lint/correctness/useExhaustiveDependencies: looks again whenever lines came
  useEffect(() => {
    const state = searched.current;
    if (state.wanted !== wanted || state.store !== store) {
      searched.current = { wanted, store, upTo: 0 };
      setHits([]);
      setHit(-1);
    }
    if (wanted === "") return;
    const stop = new AbortController();
    const timer = setTimeout(() => {
      const from = searched.current.upTo;
      const end = store.lines;
      void store
        .search(
          wanted,
          stop.signal,
          (found) => {
            setHits((before) => (before.length >= MOST_HITS ? before : before.concat(found)));
            searched.current.upTo = (found.at(-1) ?? from) + 1;
          },
          from,
        )
        .then(() => {
          if (!stop.signal.aborted) searched.current.upTo = Math.max(searched.current.upTo, end);
        });
    }, 120);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [wanted, store, isWhole ? version : Math.floor(version / 50)]);

  const step = useCallback(
    (by: 1 | -1) => {
      if (hits.length === 0) return;
      const topLine =
        hit < 0 ? hits.findIndex((line) => (rowOf(parts, line)?.row ?? 0) * ROW >= view.top) : -1;
      const next = hit < 0 ? Math.max(topLine, 0) : (hit + by + hits.length) % hits.length;
      setHit(next);
      const line = hits[next];
      if (line !== undefined) show(line);
    },
    [hits, hit, parts, view.top, show],
  );

  const fold = useCallback(
    (index: number) =>
      setFolded((before) => {
        const after = new Set(before);
        if (!after.delete(index)) after.add(index);
        return after;
      }),
    [],
  );
  const headings = parts.filter((part) => part.hasHeading);
  const foldAll = useCallback(() => {
    setFolded((before) => (before.size > 0 ? new Set() : new Set(headings.map((part) => part.index))));
  }, [headings]);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (isTyping(event)) return;
      if (event.key === "f") setFollows((is) => !is);
      else if (event.key === "e") void toError();
      else if (event.key === "n") step(1);
      else if (event.key === "N") step(-1);
      else if (event.key === "t") setOptions((before) => ({ ...before, times: !before.times }));
      else if (event.key === "l") setOptions((before) => ({ ...before, numbers: !before.numbers }));
      else if (event.key === "z") foldAll();
      else if (event.key === "/") searchField.current?.focus();
      else return;
      event.preventDefault();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [toError, step, foldAll]);

  const first = Math.max(0, Math.floor(view.top / ROW) - SPARE);
  const last = Math.min(rows, Math.ceil((view.top + view.height) / ROW) + SPARE);
  const digits = String(store.lines).length;
  const shown = [];
  for (let at = first; at < last; at += 1) {
    const row = rowAt(parts, at);
    if (!row) continue;
    if (row.kind === "step") {
      const number = row.part.section.step ?? 0;
      const state = store.steps.get(number);
      shown.push(
        <StepRow
          key={`s${row.part.index}`}
          part={row.part}
          state={state}
          isRunning={isRunning}
          onFold={fold}
        />,
      );
    } else {
      const line = store.line(row.line);
      shown.push(
        <LogRow
          key={row.line}
          line={line}
          text={line.text}
          cut={line.cut}
          options={options}
          digits={digits}
          isPicked={picked !== undefined && row.line + 1 >= picked[0] && row.line + 1 <= picked[1]}
          isNow={hits[hit] === row.line}
          wanted={wanted}
          onPick={onPick}
        />,
      );
    }
  }

  return (
    <section className="log" aria-label="Log">
      <div className="log-bar">
        <input
          ref={searchField}
          type="search"
          aria-label="Search the log"
          placeholder="Search ( / )"
          value={wanted}
          onChange={(event) => setWanted(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
            else if (event.key === "Escape") {
              setWanted("");
              box.current?.focus();
            }
          }}
        />
        <button type="button" aria-label="Previous hit" disabled={hits.length === 0} onClick={() => step(-1)}>
          ↑
        </button>
        <button type="button" aria-label="Next hit" disabled={hits.length === 0} onClick={() => step(1)}>
          ↓
        </button>
        <span className="found" role="status">
          {wanted === ""
            ? ""
            : hits.length === 0
              ? "not found"
              : `${hit + 1} of ${hits.length >= MOST_HITS ? "many" : hits.length}`}
        </span>
        <span className="grow" />
        <button type="button" onClick={() => void toError()}>
          First error
        </button>
        <button type="button" disabled={headings.length === 0} onClick={foldAll}>
          {folded.size > 0 ? "Unfold" : "Fold"}
        </button>
        <button
          type="button"
          aria-pressed={options.numbers}
          onClick={() => setOptions({ ...options, numbers: !options.numbers })}
        >
          Numbers
        </button>
        <button
          type="button"
          aria-pressed={options.times}
          onClick={() => setOptions({ ...options, times: !options.times })}
        >
          Times
        </button>
        <button type="button" aria-pressed={follows} onClick={() => setFollows(!follows)}>
          {isRunning ? "Follow" : "End"}
        </button>
        <a className="button" href={logUrl(job, attempt)} download={`${job}.log`}>
          Raw
        </a>
      </div>
      <div
        className="log-view"
        ref={box}
        onScroll={onScroll}
        tabIndex={0}
        role="region"
        aria-label="Lines of the log"
      >
        <div className="log-space" style={{ height }}>
          <div
            className="log-rows"
            style={{ transform: `translateY(${view.scroll + first * ROW - view.top}px)` }}
          >
            {shown}
          </div>
        </div>
      </div>
      <div className="log-foot">
        <span>
          {count(store.lines, "line")}, {bytes(store.size)}
        </span>
        <span role="status">
          {connection === "lost" ? (
            <span className="lost">Connection lost; trying again. Nothing is missed.</span>
          ) : connection === "refused" ? (
            <span className="lost">{problem}</span>
          ) : isWhole ? (
            store.lines === 0 ? (
              "This log is empty."
            ) : (
              ""
            )
          ) : connection === "open" && isRunning ? (
            store.lines === 0 ? (
              "Waiting for the first line …"
            ) : (
              "Live"
            )
          ) : (
            ""
          )}
        </span>
      </div>
    </section>
  );
}
