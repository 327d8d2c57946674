// One row of a log on the screen.

import { memo } from "react";
import { palette, parse, type Run, type Style } from "../lib/ansi";
import { clock, count, duration } from "../lib/format";
import { highlight, type Part } from "./rows";
import type { Line, StepState } from "./store";

/** What is shown beside a line. */
export interface Options {
  numbers: boolean;
  times: boolean;
}

function classes(style: Style): string | undefined {
  const names: string[] = [];
  if (style.bold) names.push("b");
  if (style.dim) names.push("d");
  if (style.italic) names.push("i");
  if (style.underline) names.push("u");
  if (style.strike) names.push("s");
  if (style.hidden) names.push("h");
  if (style.inverse) names.push("inv");
  if (!style.inverse && typeof style.fg === "number" && style.fg < 16) names.push(`f${style.fg}`);
  if (!style.inverse && typeof style.bg === "number" && style.bg < 16) names.push(`g${style.bg}`);
  return names.length > 0 ? names.join(" ") : undefined;
}

function inline(style: Style): { color?: string; backgroundColor?: string } | undefined {
  const color = (of: number | string | undefined) =>
    typeof of === "string" ? of : of !== undefined && of >= 16 ? palette(of) : undefined;
  const [fg, bg] = style.inverse ? [color(style.bg), color(style.fg)] : [color(style.fg), color(style.bg)];
  return fg || bg ? { color: fg, backgroundColor: bg } : undefined;
}

function Text({ run }: { run: Run & { isHit?: boolean } }) {
  const { href } = run.style;
  const inner = run.isHit ? <mark>{run.text}</mark> : run.text;
  const content = href ? (
    <a href={href} target="_blank" rel="noopener noreferrer">
      {inner}
    </a>
  ) : (
    inner
  );
  const className = classes(run.style);
  const style = inline(run.style);
  return className || style ? (
    <span className={className} style={style}>
      {content}
    </span>
  ) : (
    content
  );
}

interface RowProps {
  line: Line;
  text: string;
  cut: number;
  options: Options;
  digits: number;
  isPicked: boolean;
  isNow: boolean;
  wanted: string;
  onPick: (line: number, more: boolean) => void;
}

export const LogRow = memo(
  function LogRow({ line, options, digits, isPicked, isNow, wanted, onPick }: RowProps) {
    const runs = highlight(parse(line.text, line.style), wanted);
    const names = ["row"];
    if (line.isGap) names.push("gap");
    else if (line.stream !== "stdout") names.push(line.stream);
    if (isPicked) names.push("picked");
    if (isNow) names.push("now");
    return (
      <div className={names.join(" ")} data-line={line.number + 1}>
        {options.numbers ? (
          <span className="no" style={{ minWidth: `${digits + 2}ch` }}>
            <a
              href={`#L${line.number + 1}`}
              tabIndex={-1}
              aria-label={`Line ${line.number + 1}`}
              onClick={(event) => {
                event.preventDefault();
                onPick(line.number + 1, event.shiftKey);
              }}
            >
              {line.number + 1}
            </a>
          </span>
        ) : null}
        {options.times ? <span className="at">{clock(line.at)}</span> : null}
        <span className="text">
          {line.stream === "stderr" ? <span className="hidden">stderr: </span> : null}
          {runs.map((run, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: runs have no other name
            <Text key={at} run={run} />
          ))}
          {line.cut > 0 ? (
            <span className="cut"> … {count(line.cut, "character")} more, in the raw log</span>
          ) : null}
        </span>
      </div>
    );
  },
  (a, b) =>
    a.line.number === b.line.number &&
    a.text === b.text &&
    a.cut === b.cut &&
    a.options === b.options &&
    a.digits === b.digits &&
    a.isPicked === b.isPicked &&
    a.isNow === b.isNow &&
    a.wanted === b.wanted &&
    a.onPick === b.onPick,
);

export function StepRow({
  part,
  state,
  isRunning,
  onFold,
}: {
  part: Part;
  state?: StepState;
  isRunning: boolean;
  onFold: (index: number) => void;
}) {
  const ended = state?.exitCode;
  const mark = ended === undefined ? (isRunning ? "▸" : "–") : ended === 0 ? "✓" : "✗";
  return (
    <div className="row step">
      <button type="button" aria-expanded={!part.isFolded} onClick={() => onFold(part.index)}>
        <span aria-hidden="true">{part.isFolded ? "▸ " : "▾ "}</span>
        <span
          className={ended === undefined ? "is-running" : ended === 0 ? "is-success" : "is-failure"}
          aria-hidden="true"
        >
          {mark}{" "}
        </span>
        <strong>{state?.name ?? `step ${(part.section.step ?? 0) + 1}`}</strong>
        {ended !== undefined && ended !== 0 ? <span className="is-failure"> exit status {ended}</span> : null}
        {state?.ended ? <span className="took">{duration(state.ended - state.begun)}</span> : null}
        {part.isFolded ? <span className="took">{count(part.section.lines, "line")} folded</span> : null}
      </button>
    </div>
  );
}
