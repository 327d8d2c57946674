// One job: its log as it is written, how it ended, what it used and what it kept.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useCallback, useState } from "react";
import { Link, useLocation, useSearchParams } from "wouter";
import { type Attempt, archiveUrl, artifactUrl, client, type Job, type Manifest, value } from "../lib/api";
import { bytes, count, duration, words } from "../lib/format";
import { useLive } from "../lib/live";
import { useLog } from "../log/follow";
import { Act, Copy, Loaded, Revision, State, stateOf, Table, Time, Took, useMay, useTitle } from "../ui";

const LogView = lazy(() => import("../log/view"));
/** Files that are listed at once. */
const LISTED = 200;

export function JobPage({ id }: { id: string }) {
  const queries = useQueryClient();
  const [search, setSearch] = useSearchParams();
  const wanted = Number(search.get("attempt")) || undefined;
  const job = useQuery({
    queryKey: ["job", id],
    queryFn: () => value(client.GET("/api/v1/jobs/{job}", { params: { path: { job: id } } })),
  });
  // The log's own stream tells how the job goes: there is no need for another one.
  const onChange = useCallback(() => {
    void queries.invalidateQueries({ queryKey: ["job", id] });
  }, [queries, id]);
  return (
    <Loaded of={job}>
      {(data) => (
        <Shown
          job={data}
          wanted={wanted}
          choose={(attempt) => setSearch(attempt ? { attempt: String(attempt) } : {}, { replace: true })}
          onChange={onChange}
        />
      )}
    </Loaded>
  );
}

function Shown({
  job,
  wanted,
  choose,
  onChange,
}: {
  job: Job;
  wanted?: number;
  choose: (attempt?: number) => void;
  onChange: () => void;
}) {
  const newest = job.attempts.at(-1);
  const shown = wanted ? (job.attempts.find((attempt) => attempt.number === wanted) ?? newest) : newest;
  const isNewest = shown === newest;
  const isRunning = job.state !== "finished";
  const [begin] = useState(() => newest?.number);
  // A job that has not begun is followed from its first attempt on.
  const followed = useLog(job.id, wanted, begin, onChange);
  const build = useQuery({
    queryKey: ["build", job.build],
    queryFn: () => value(client.GET("/api/v1/builds/{build}", { params: { path: { build: job.build } } })),
  });
  // Who looks at an earlier attempt, whose log has ended, hears of the one that runs from the events.
  useLive(isRunning && wanted !== undefined && followed.isWhole);
  const name = job.toolchain ?? "plan";
  useTitle(`${name}: ${build.data?.commit_info?.subject ?? "job"}`);
  const may = useMay("submit");
  const outcome = shown?.outcome ?? (isNewest ? job.outcome : undefined);
  const message = isNewest ? job.message : shown?.message;
  return (
    <>
      <div className="head">
        <div>
          <h1>
            {name}{" "}
            <Link className="quiet" href={`/builds/${job.build}`}>
              {build.data?.commit_info?.subject ?? "its build"}
            </Link>
          </h1>
          <p className="quiet wrap">
            <State is={stateOf(job)}>{job.cancel_requested && isRunning ? "ending" : stateOf(job)}</State>
            {job.cause ? ` (${words(job.cause)})` : ""} · <Revision of={job.commit} />
            {build.data?.project ? (
              <>
                {" "}
                · <Link href={`/projects/${build.data.project}`}>{build.data.project}</Link>
              </>
            ) : null}{" "}
            · {job.started_at ? <Took from={job.started_at} to={job.finished_at} /> : "not begun"} ·{" "}
            <Time at={job.started_at ?? job.created_at} />
          </p>
        </div>
        <div className="actions">
          {job.attempts.length > 1 ? (
            <fieldset className="tabs" aria-label="Attempts">
              {job.attempts.map((attempt) => (
                <button
                  key={attempt.number}
                  type="button"
                  aria-pressed={attempt === shown}
                  onClick={() => choose(attempt === newest ? undefined : attempt.number)}
                >
                  Attempt {attempt.number}
                </button>
              ))}
            </fieldset>
          ) : null}
          {may && isRunning ? (
            <Act
              touches={["job", "build", "builds"]}
              run={() =>
                value(client.POST("/api/v1/jobs/{job}/cancel", { params: { path: { job: job.id } } }))
              }
            >
              Cancel
            </Act>
          ) : null}
          {may && !isRunning && !job.retried && job.kind === "leg" ? <Retry job={job} /> : null}
        </div>
      </div>
      {message && !(isRunning && job.state === "running") ? (
        <div className={`says is-${outcome ?? "queued"}`} role="status">
          {message}
          {shown?.diagnostics?.first_error ? <FirstError attempt={shown} /> : null}
        </div>
      ) : null}
      {shown?.log_expired_at ? (
        <div className="says">
          The log was removed by the retention rules <Time at={shown.log_expired_at} />.
        </div>
      ) : (
        <Suspense fallback={<div className="log log-view" />}>
          <LogView
            key={`${job.id} ${shown?.number ?? 0}`}
            followed={followed}
            job={job.id}
            isRunning={isRunning && isNewest}
            goToError={outcome === "failure" || outcome === "timeout"}
          />
        </Suspense>
      )}
      {shown ? <Facts job={job} attempt={shown} isNewest={isNewest} /> : null}
    </>
  );
}

function Retry({ job }: { job: Job }) {
  const [, go] = useLocation();
  return (
    <Act
      className={job.outcome === "success" ? undefined : "first"}
      touches={["job", "build", "builds", "commit"]}
      run={() => value(client.POST("/api/v1/jobs/{job}/retry", { params: { path: { job: job.id } } }))}
      then={(made) => go(`/jobs/${(made as Job).id}`)}
    >
      Retry
    </Act>
  );
}

function FirstError({ attempt }: { attempt: Attempt }) {
  const first = attempt.diagnostics?.first_error;
  if (!first) return null;
  const place = [first.file, first.line || undefined, first.column || undefined].filter(Boolean).join(":");
  return (
    <pre className="code">
      {place ? `${place}: ` : ""}
      {first.severity ?? "error"}: {first.message}
      {first.flag ? ` [${first.flag}]` : ""}
      {first.excerpt && first.excerpt.length > 0
        ? `\n${first.excerpt.map((line) => `${line.line === first.line ? ">" : " "} ${String(line.line).padStart(5)} | ${line.text}`).join("\n")}`
        : ""}
    </pre>
  );
}

/** What was used of a bound. */
function Used({ name, used, most, text }: { name: string; used: number; most: number; text: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>
        <meter
          min={0}
          max={most || 1}
          high={(most || 1) * 0.9}
          value={Math.min(used, most)}
          aria-label={name}
        />{" "}
        {text}
      </dd>
    </>
  );
}

function Facts({ job, attempt, isNewest }: { job: Job; attempt: Attempt; isNewest: boolean }) {
  const { usage, sandbox } = attempt;
  const { limits } = job;
  const ran = usage?.run_millis ?? 0;
  return (
    <>
      <div className="grid">
        {attempt.steps.length > 0 ? (
          <section className="panel">
            <h2>Steps</h2>
            <Table heads={["Step", "Command", ["Took", "num"], ["Exit", "num"]]}>
              {attempt.steps.map((step, at) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: steps of one name can come twice
                <tr key={at}>
                  <td className="tight">{step.name}</td>
                  <td className="mono wrap">{step.run}</td>
                  <td className="num">
                    <Took from={step.started_at} to={step.finished_at ?? attempt.finished_at} />
                  </td>
                  <td className={`num ${step.exit_code ? "is-failure" : ""}`}>{step.exit_code ?? ""}</td>
                </tr>
              ))}
            </Table>
          </section>
        ) : null}
        {usage ? (
          <section className="panel">
            <h2>Resources</h2>
            <dl className="facts">
              <Used
                name="Time"
                used={ran}
                most={limits.wall_seconds * 1000}
                text={`${duration(ran)} of ${duration(limits.wall_seconds * 1000)}`}
              />
              <Used
                name="Memory"
                used={usage.peak_memory_bytes}
                most={limits.memory_bytes}
                text={`${usage.peak_memory_bytes ? bytes(usage.peak_memory_bytes) : "not measured"} of ${bytes(limits.memory_bytes)}`}
              />
              <dt>Processor</dt>
              <dd>
                {duration(usage.cpu_millis)}
                {ran > 0
                  ? `, ${(usage.cpu_millis / ran).toFixed(1)} of ${(limits.cpu_millis / 1000).toFixed(1)} cores`
                  : ""}
              </dd>
              <dt>Source</dt>
              <dd>{duration(usage.source_millis)}</dd>
              <dt>Sandbox</dt>
              <dd>{duration(usage.sandbox_millis)}</dd>
              <dt>Artifacts</dt>
              <dd>{duration(usage.collect_millis)}</dd>
              {usage.cache_hits || usage.cache_misses ? (
                <>
                  <dt>Compiler cache</dt>
                  <dd>
                    {count(usage.cache_hits ?? 0, "hit")}, {usage.cache_misses ?? 0} compiled
                  </dd>
                </>
              ) : null}
              <Used
                name="Log"
                used={attempt.log_bytes}
                most={limits.log_bytes}
                text={`${bytes(attempt.log_bytes)} of ${bytes(limits.log_bytes)}`}
              />
            </dl>
          </section>
        ) : null}
        {sandbox ? (
          <section className="panel">
            <h2>Sandbox</h2>
            <dl className="facts">
              <dt>Compiler</dt>
              <dd>{sandbox.compiler}</dd>
              <dt>Isolation</dt>
              <dd>{sandbox.profile}</dd>
              <dt>Image</dt>
              <dd className="mono">{sandbox.image}</dd>
              <dt>Agent</dt>
              <dd className="mono">{attempt.agent}</dd>
              {attempt.diagnostics ? (
                <>
                  <dt>Compiler said</dt>
                  <dd>
                    {count(attempt.diagnostics.errors, "error")},{" "}
                    {count(attempt.diagnostics.warnings, "warning")}
                  </dd>
                </>
              ) : null}
            </dl>
            <ByHand job={job} attempt={attempt} />
          </section>
        ) : null}
      </div>
      {isNewest && attempt.artifacts ? (
        <Artifacts job={job} attempt={attempt} />
      ) : attempt.artifacts_expired_at ? (
        <div className="says">
          The artifacts were removed <Time at={attempt.artifacts_expired_at} />.
        </div>
      ) : null}
    </>
  );
}

/** A word as a shell takes it. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function ByHand({ job, attempt }: { job: Job; attempt: Attempt }) {
  const sandbox = attempt.sandbox;
  if (!sandbox || job.kind !== "leg") return null;
  const environment = Object.entries(sandbox.environment ?? {}).flatMap(([name, text]) => [
    "-e",
    quoted(`${name}=${text}`),
  ]);
  const steps = attempt.steps.map((step) => step.run).join("\n");
  const command = [
    "docker run -it",
    ...(sandbox.options ?? []).map(quoted),
    ...environment,
    quoted(sandbox.image),
    "sh",
  ].join(" ");
  const whole = `kiln show ${job.id} --by-hand`;
  return (
    <details>
      <summary>Run this by hand</summary>
      <p>Everything as a few lines of shell, the source and the bounds, too:</p>
      <pre className="code">{whole}</pre>
      <Copy text={whole} />
      <p>A container like this one's:</p>
      <pre className="code">{command}</pre>
      <Copy text={command} label="Copy the command" />
      {steps ? (
        <>
          <p>In it, in the folder with the source:</p>
          <pre className="code">{steps}</pre>
          <Copy text={steps} label="Copy the steps" />
        </>
      ) : null}
    </details>
  );
}

function Artifacts({ job, attempt }: { job: Job; attempt: Attempt }) {
  const [wanted, setWanted] = useState("");
  const [isOpen, setOpen] = useState((attempt.artifacts?.files ?? 0) <= 50);
  const manifest = useQuery({
    queryKey: ["manifest", job.id],
    queryFn: async () =>
      (await value(
        client.GET("/api/v1/jobs/{job}/manifest", { params: { path: { job: job.id } } }),
      )) as unknown as Manifest,
    staleTime: Number.POSITIVE_INFINITY,
    enabled: isOpen,
  });
  const kept = attempt.artifacts;
  if (!kept) return null;
  return (
    <section className="panel">
      <div className="head">
        <div>
          <h2>Artifacts</h2>
          <p className="quiet">
            {count(kept.files, "file")}, {bytes(kept.bytes)}; archive {bytes(kept.archive_bytes)}
          </p>
        </div>
        <div className="actions">
          {isOpen ? null : (
            <button type="button" onClick={() => setOpen(true)}>
              Show the files
            </button>
          )}
          <a className="button first" href={archiveUrl(job.id)} download={`${job.id}.tar.gz`}>
            Download all
          </a>
        </div>
      </div>
      {isOpen ? (
        <Loaded of={manifest}>
          {(data) => {
            const found = data.files.filter(
              (file) => file.kind !== "directory" && file.path.includes(wanted),
            );
            return (
              <>
                {data.files.length > 12 ? (
                  <p>
                    <input
                      type="search"
                      aria-label="Find a file"
                      placeholder="Find a file"
                      value={wanted}
                      onChange={(event) => setWanted(event.target.value)}
                    />{" "}
                    <span className="quiet">{count(found.length, "file")}</span>
                  </p>
                ) : null}
                <Table heads={["File", ["Size", "num"], "SHA-256"]}>
                  {found.slice(0, LISTED).map((file) => (
                    <tr key={file.path}>
                      <td className="wrap">
                        <a href={artifactUrl(job.id, file.path)} download={file.path.split("/").pop()}>
                          {file.path}
                        </a>
                        {file.target ? <span className="quiet"> → {file.target}</span> : null}
                        {file.mode & 0o111 && file.kind === "file" ? (
                          <span className="tag">program</span>
                        ) : null}
                      </td>
                      <td className="num">{bytes(file.size)}</td>
                      <td className="mono quiet" title={file.sha256}>
                        {file.sha256.slice(0, 16)}…
                      </td>
                    </tr>
                  ))}
                </Table>
                {found.length > LISTED ? (
                  <p className="quiet">The first {LISTED} are shown; look for others above.</p>
                ) : null}
                <p className="quiet mono wrap">sha256 of the tar inside the archive: {kept.tar_sha256}</p>
              </>
            );
          }}
        </Loaded>
      ) : null}
    </section>
  );
}
