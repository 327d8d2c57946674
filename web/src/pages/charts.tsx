// A project's builds over time, a line for each toolchain.

import { useEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useLocation } from "wouter";
import type { History } from "../lib/api";
import { bytes, duration, short } from "../lib/format";
import { type Figure, series } from "../lib/series";

const CHARTS: { title: string; of: Figure; text: (value: number) => string; onlySuccess: boolean }[] = [
  { title: "Build time", of: (job) => job.run_millis, text: duration, onlySuccess: true },
  { title: "Size of artifacts", of: (job) => job.artifact_bytes, text: bytes, onlySuccess: true },
  {
    title: "Warnings",
    of: (job) => job.warnings,
    text: (value) => String(Math.round(value)),
    onlySuccess: false,
  },
];
const COLORS = ["--running", "--accent", "--success", "--error", "--failure", "--quiet"];

export default function Charts({ history }: { history: History }) {
  const all = useMemo(
    () => [...new Set(history.builds.flatMap((build) => build.jobs.map((job) => job.toolchain)))].sort(),
    [history],
  );
  const [chosen, setChosen] = useState<string>("");
  const toolchains = chosen && all.includes(chosen) ? [chosen] : all;
  if (all.length === 0) return null;
  return (
    <section className="panel">
      <div className="head">
        <h2>Over the last {history.builds.length} builds</h2>
        <select aria-label="Toolchain" value={chosen} onChange={(event) => setChosen(event.target.value)}>
          <option value="">all toolchains</option>
          {all.map((toolchain) => (
            <option key={toolchain}>{toolchain}</option>
          ))}
        </select>
      </div>
      <div className="grid">
        {CHARTS.map((chart) => (
          <Chart key={chart.title} history={history} toolchains={toolchains} all={all} {...chart} />
        ))}
      </div>
    </section>
  );
}

function Chart({
  history,
  toolchains,
  all,
  title,
  of,
  text,
  onlySuccess,
}: {
  history: History;
  toolchains: string[];
  all: string[];
  title: string;
  of: Figure;
  text: (value: number) => string;
  onlySuccess: boolean;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [, go] = useLocation();
  const lines = useMemo(
    () => series(history, toolchains, of, onlySuccess),
    [history, toolchains, of, onlySuccess],
  );
  const hasAny = lines.some((line) => line.some((value) => value !== null));
  useEffect(() => {
    const element = box.current;
    if (!element || !hasAny) return;
    const color = (name: string) =>
      getComputedStyle(element).getPropertyValue("--text") && resolved(element, name);
    const quiet = color("--quiet");
    const grid = { stroke: color("--line"), width: 1 };
    const plot = new uPlot(
      {
        width: element.clientWidth,
        height: 190,
        scales: { x: { time: false }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] } },
        padding: [null, 32, null, null],
        legend: { live: true },
        axes: [
          {
            stroke: quiet,
            grid: { show: false },
            values: (_, at) => at.map((index) => nameOf(history, index)),
            space: 90,
          },
          { stroke: quiet, grid, size: 70, values: (_, at) => at.map((value) => text(value)) },
        ],
        series: [
          { label: "Commit", value: (_, index) => (index === null ? "" : nameOf(history, index)) },
          ...toolchains.map((toolchain) => ({
            label: toolchain,
            stroke: color(COLORS[all.indexOf(toolchain) % COLORS.length] ?? "--text"),
            width: 2,
            spanGaps: true,
            points: { size: 6 },
            value: (_: uPlot, value: number | null) => (value === null ? "–" : text(value)),
          })),
        ],
      },
      [history.builds.map((_, index) => index), ...lines],
      element,
    );
    const onClick = () => {
      const build = history.builds[plot.cursor.idx ?? -1];
      if (build) go(`/builds/${build.build}`);
    };
    plot.over.addEventListener("click", onClick);
    const observer = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: 190 }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [history, toolchains, all, lines, text, hasAny, go]);
  const last = lines.map((line, at) => [toolchains[at], line.findLast((value) => value !== null)] as const);
  return (
    <figure style={{ margin: 0 }}>
      <figcaption>
        <h3>{title}</h3>
        <span className="hidden">
          {last.map(([toolchain, value]) => (value == null ? "" : `${toolchain}: ${text(value)}. `)).join("")}
        </span>
      </figcaption>
      {hasAny ? (
        <div className="chart" ref={box} aria-hidden="true" />
      ) : (
        <p className="quiet">Nothing was measured yet.</p>
      )}
    </figure>
  );
}

function nameOf(history: History, index: number): string {
  const build = history.builds[index];
  return build && Number.isInteger(index) ? short(build.commit).slice(0, 8) : "";
}

/** A color of the style sheet as a canvas takes it. */
function resolved(element: Element, name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
