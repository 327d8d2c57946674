// Small pieces that every page is made of.

import { useMutation, useQueryClient } from "@tanstack/react-query";
import {
  createContext,
  type FormEvent,
  type ReactNode,
  useContext,
  useEffect,
  useId,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import { Link } from "wouter";
import type { BuildState, JobSummary, Outcome, Role, Who } from "./lib/api";
import { ago, duration, exact, short, words } from "./lib/format";

/** Who is signed in. */
export const WhoContext = createContext<Who | undefined>(undefined);

const RANK: Record<string, number> = { read: 0, submit: 1, admin: 2 };

/** Whether who is signed in may do what this role may. */
export function useMay(role: Role): boolean {
  const who = useContext(WhoContext);
  return who !== undefined && (RANK[who.role] ?? -1) >= (RANK[role] ?? 9);
}

// One clock for everything relative: it ticks while the tab is seen.
const ticking = new Set<() => void>();
let now = Date.now();
setInterval(() => {
  if (document.visibilityState !== "visible") return;
  now = Date.now();
  for (const tick of ticking) tick();
}, 1_000);
const onTick = (tick: () => void) => {
  ticking.add(tick);
  return () => ticking.delete(tick);
};

/** The time, to the second. */
export function useNow(): number {
  return useSyncExternalStore(onTick, () => now);
}

/** A moment: how long ago, and exactly when where the pointer rests. */
export function Time({ at }: { at: string }) {
  const millis = Date.parse(at);
  const text = useSyncExternalStore(onTick, () => ago(millis, Math.max(now, millis)));
  return (
    <time dateTime={at} title={exact(millis)}>
      {text}
    </time>
  );
}

/** How long something took, or takes so far. */
export function Took({ from, to }: { from?: string | null; to?: string | null }) {
  const current = useNow();
  if (!from) return null;
  const end = to ? Date.parse(to) : Math.max(current, Date.parse(from));
  const millis = end - Date.parse(from);
  // While it runs, whole seconds: tenths would only flicker.
  return <span>{duration(to ? millis : Math.floor(millis / 1000) * 1000)}</span>;
}

export type AnyState = BuildState | Outcome | "running" | "queued";

/** The one word for where something is. */
export function stateOf(what: { state: string; outcome?: Outcome | null }): AnyState {
  return (what.state === "finished" ? (what.outcome ?? "error") : what.state) as AnyState;
}

export function State({ is, children }: { is: AnyState; children?: ReactNode }) {
  return <span className={`state is-${is}`}>{children ?? is}</span>;
}

/** A job in one chip. */
export function Leg({ job }: { job: JobSummary }) {
  const is = stateOf(job);
  const why = job.cause ? `${is}: ${words(job.cause)}` : is;
  return (
    <Link className="leg" href={`/jobs/${job.id}`} title={job.message ? `${why} – ${job.message}` : why}>
      <State is={is}>
        <span className="hidden">{why} </span>
      </State>
      {job.toolchain ?? "plan"}
    </Link>
  );
}

/** A revision, which leads to everything there is for it. */
export function Revision({ of }: { of: string }) {
  return (
    <Link className="mono" href={`/commits/${of}`} title={of}>
      {short(of)}
    </Link>
  );
}

/** What went wrong, and what to do. */
export function Problem({ error, again }: { error: unknown; again?: () => void }) {
  return (
    <div className="says is-failure" role="alert">
      {error instanceof Error ? error.message : String(error)}
      {again && (
        <>
          {" "}
          <button type="button" onClick={again}>
            Try again
          </button>
        </>
      )}
    </div>
  );
}

/** Where there is nothing yet: what to do about it. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** Waits without a word for as long as nobody notices. */
export function Waiting() {
  const [isLong, setLong] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLong(true), 200);
    return () => clearTimeout(timer);
  }, []);
  return <div className="waiting">{isLong ? <span role="status">Loading …</span> : null}</div>;
}

interface Asked<T> {
  data: T | undefined;
  error: unknown;
  refetch: () => unknown;
}

/** What was asked for, once it is there. */
export function Loaded<T>({ of, children }: { of: Asked<T>; children: (data: T) => ReactNode }) {
  if (of.data !== undefined) {
    return (
      <>
        {of.error ? <Problem error={of.error} again={() => of.refetch()} /> : null}
        {children(of.data)}
      </>
    );
  }
  if (of.error) return <Problem error={of.error} again={() => of.refetch()} />;
  return <Waiting />;
}

export function useTitle(title: string) {
  useEffect(() => {
    document.title = title ? `${title} – kiln` : "kiln";
  }, [title]);
}

/** A button that does something on the server, and says what came of it if that is bad. */
export function Act({
  children,
  run,
  touches,
  className,
  confirm,
  then,
  disabled,
}: {
  children: ReactNode;
  run: () => Promise<unknown>;
  /** What is asked for anew afterwards. */
  touches: string[];
  className?: string;
  /** What is asked before. */
  confirm?: string;
  then?: (result: unknown) => void;
  disabled?: boolean;
}) {
  const client = useQueryClient();
  const [asks, setAsks] = useState(false);
  const act = useMutation({
    mutationFn: run,
    onSuccess: then,
    onSettled: () =>
      client.invalidateQueries({ predicate: (query) => touches.includes(String(query.queryKey[0])) }),
  });
  return (
    <>
      <button
        type="button"
        className={className}
        disabled={act.isPending || disabled}
        onClick={() => (confirm ? setAsks(true) : act.mutate())}
      >
        {children}
      </button>
      {act.error ? (
        <Popup title="That did not work" onClose={() => act.reset()}>
          <p className="wrap">{act.error.message}</p>
          <button type="button" onClick={() => act.reset()}>
            Close
          </button>
        </Popup>
      ) : null}
      {asks && confirm ? (
        <Popup title="Are you sure?" onClose={() => setAsks(false)}>
          <p className="wrap">{confirm}</p>
          <div className="actions">
            <button
              type="button"
              className="first"
              onClick={() => {
                setAsks(false);
                act.mutate();
              }}
            >
              {children}
            </button>
            <button type="button" onClick={() => setAsks(false)}>
              No, go back
            </button>
          </div>
        </Popup>
      ) : null}
    </>
  );
}

/** A dialog before everything else; Escape closes it. */
export function Popup({
  title,
  children,
  onClose,
}: {
  title: string;
  children: ReactNode;
  onClose: () => void;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal?.();
    return () => dialog?.close?.();
  }, []);
  return (
    <dialog ref={ref} aria-labelledby={id} onClose={onClose} onCancel={onClose}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}

/** Copies text, and says that it did. */
export function Copy({ text, label = "Copy" }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  return (
    <button
      type="button"
      onClick={() => {
        void navigator.clipboard?.writeText(text).then(() => setDone(true));
        setTimeout(() => setDone(false), 1_500);
      }}
    >
      {done ? "Copied" : label}
    </button>
  );
}

/** Whether the focus is on nothing that would do something with a key. */
function isNowhere(): boolean {
  const at = document.activeElement;
  return at === null || at === document.body || at.id === "main";
}

/** A line that can be chosen with j and k and opened with Enter. */
export function useRows(count: number, open: (index: number) => void) {
  const [chosen, setChosen] = useState(-1);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (isTyping(event)) return;
      if (event.key === "j") setChosen((at) => Math.min(count - 1, at + 1));
      else if (event.key === "k") setChosen((at) => Math.max(0, at - 1));
      else if ((event.key === "Enter" || event.key === "o") && chosen >= 0 && isNowhere()) open(chosen);
      else return;
      event.preventDefault();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [count, chosen, open]);
  useEffect(() => {
    if (chosen >= 0) document.querySelector("tr.chosen")?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  return chosen;
}

/** Whether a key is meant for a field, or is a shortcut of the browser. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  return (
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    document.querySelector("dialog[open]") !== null ||
    (target !== null && (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.isContentEditable))
  );
}

/** A column's heading; `num` for figures, `tight` for what takes no more room than it needs, `hidden` for ears only. */
export type Head = string | [text: string, kind: "num" | "tight" | "hidden"];

/** A table that is moved aside where it is wider than the window. */
export function Table({
  heads,
  className,
  children,
}: {
  heads: Head[];
  className?: string;
  children: ReactNode;
}) {
  return (
    <div className="scroll">
      <table className={className}>
        <thead>
          <tr>
            {heads.map((head) => {
              const [text, kind] = typeof head === "string" ? [head, undefined] : head;
              return (
                <th key={text} className={kind === "hidden" ? "tight" : kind}>
                  {kind === "hidden" ? <span className="hidden">{text}</span> : text}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

/** A form that does something on the server, once at a time, and keeps what was refused. */
export function useSubmit(run: () => Promise<void>) {
  const [problem, setProblem] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const onSubmit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(undefined);
    try {
      await run();
    } catch (error) {
      setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  return { onSubmit, isBusy, refused: problem !== undefined ? <Problem error={problem} /> : null };
}
