// One build: what was built and why, and a line for each job.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "wouter";
import { type Build, client, counting, sourceOf, value } from "../lib/api";
import { refName, repository, words } from "../lib/format";
import { useLive } from "../lib/live";
import { Act, Loaded, Revision, State, stateOf, Table, Time, Took, useMay, useTitle } from "../ui";
import { title } from "./builds";

const TRIGGERS: Record<string, string> = {
  manual: "asked for",
  push: "a new commit",
  pull_request: "a pull request",
  rebuild: "built again",
};

export function BuildPage({ id }: { id: string }) {
  const build = useQuery({
    queryKey: ["build", id],
    queryFn: () => value(client.GET("/api/v1/builds/{build}", { params: { path: { build: id } } })),
  });
  useLive(build.data?.state !== "finished");
  useTitle(build.data?.commit_info?.subject ?? "Build");
  return <Loaded of={build}>{(data) => <Shown build={data} />}</Loaded>;
}

function Shown({ build }: { build: Build }) {
  const may = useMay("submit");
  const queries = useQueryClient();
  const source = sourceOf(build);
  const jobs = counting(build.jobs);
  const bad = jobs.filter((job) => job.state === "finished" && job.outcome !== "success");
  const earlier = build.jobs.filter((job) => job.retried);
  const path = { build: build.id };
  const isPlanBad = build.plan.state === "finished" && build.plan.outcome !== "success";
  return (
    <>
      <div className="head">
        <div>
          <h1>{build.commit_info?.subject || title(build)}</h1>
          <p className="quiet wrap">
            <State is={stateOf(build)} /> · {TRIGGERS[build.trigger] ?? words(build.trigger)} by{" "}
            {build.created_by.replace(/^user:/, "")} <Time at={build.created_at} /> ·{" "}
            <Took from={build.created_at} to={build.finished_at} />
          </p>
        </div>
        {may ? (
          <div className="actions">
            {build.state !== "finished" ? (
              <Act
                touches={["build", "builds", "job"]}
                run={() => value(client.POST("/api/v1/builds/{build}/cancel", { params: { path } }))}
              >
                Cancel
              </Act>
            ) : null}
            {build.state === "finished" && (bad.length > 0 || isPlanBad) ? (
              <Act
                className="first"
                touches={["build", "builds", "job", "commit"]}
                run={() => value(client.POST("/api/v1/builds/{build}/retry", { params: { path }, body: {} }))}
              >
                Retry what failed
              </Act>
            ) : null}
            {build.state === "finished" && jobs.length > 0 ? (
              <Act
                touches={["build", "builds", "job", "commit"]}
                run={() =>
                  value(
                    client.POST("/api/v1/builds/{build}/retry", {
                      params: { path },
                      body: { toolchains: jobs.flatMap((job) => (job.toolchain ? [job.toolchain] : [])) },
                    }),
                  )
                }
              >
                Run all again
              </Act>
            ) : null}
          </div>
        ) : null}
      </div>
      {isPlanBad || (build.jobs.length === 0 && build.plan.message) ? (
        <div className={`says is-${build.plan.outcome ?? "queued"}`}>
          {build.plan.message} <Link href={`/jobs/${build.plan.id}`}>How it was planned</Link>
        </div>
      ) : null}
      <div className="panel">
        {jobs.length === 0 && !isPlanBad ? (
          <p className="quiet">The commit is being read; its jobs are known in a moment.</p>
        ) : (
          <Table
            heads={["Toolchain", "State", "Cause", "What happened", ["Took", "num"], ["Actions", "hidden"]]}
          >
            {jobs.map((job) => (
              <tr key={job.id}>
                <td className="tight">
                  <Link href={`/jobs/${job.id}`}>
                    <strong>{job.toolchain}</strong>
                  </Link>
                  {job.variant !== "default" ? <span className="tag">{job.variant}</span> : null}
                </td>
                <td className="tight">
                  <State is={stateOf(job)}>
                    {job.cancel_requested && job.state !== "finished" ? "ending" : stateOf(job)}
                  </State>
                </td>
                <td className="tight">{job.cause ? words(job.cause) : ""}</td>
                <td className="wrap">
                  {job.state === "running" && job.step
                    ? `${job.step}${job.step_number && job.step_count ? ` (step ${job.step_number} of ${job.step_count})` : ""}`
                    : job.message}
                  {job.attempt > 1 ? <span className="quiet"> attempt {job.attempt}</span> : null}
                </td>
                <td className="num">
                  <Took from={job.started_at} to={job.finished_at} />
                </td>
                <td className="tight">
                  {may && job.state !== "finished" ? (
                    <Act
                      className="plain"
                      touches={["build", "builds", "job"]}
                      run={() =>
                        value(client.POST("/api/v1/jobs/{job}/cancel", { params: { path: { job: job.id } } }))
                      }
                    >
                      Cancel<span className="hidden"> {job.toolchain}</span>
                    </Act>
                  ) : null}
                  {may && job.state === "finished" && build.state === "finished" ? (
                    <Act
                      className="plain"
                      touches={["build", "builds", "job", "commit"]}
                      run={() =>
                        value(client.POST("/api/v1/jobs/{job}/retry", { params: { path: { job: job.id } } }))
                      }
                      then={() => void queries.invalidateQueries({ queryKey: ["build", build.id] })}
                    >
                      Retry<span className="hidden"> {job.toolchain}</span>
                    </Act>
                  ) : null}
                </td>
              </tr>
            ))}
          </Table>
        )}
      </div>
      <div className="grid">
        <section className="panel">
          <h2>Source</h2>
          <dl className="facts">
            <dt>{source.upload ? "Tree" : "Commit"}</dt>
            <dd>
              <Revision of={build.commit} />
            </dd>
            {source.url ? (
              <>
                <dt>Repository</dt>
                <dd>{repository(source.url)}</dd>
              </>
            ) : null}
            {source.ref ? (
              <>
                <dt>Ref</dt>
                <dd>{refName(source.ref)}</dd>
              </>
            ) : null}
            {source.base ? (
              <>
                <dt>Made from</dt>
                <dd>
                  <Revision of={source.base} />
                </dd>
              </>
            ) : null}
            {build.commit_info ? (
              <>
                <dt>Author</dt>
                <dd>{build.commit_info.author}</dd>
                <dt>Committed</dt>
                <dd>
                  <Time at={build.commit_info.committed_at} />
                </dd>
              </>
            ) : null}
          </dl>
        </section>
        <section className="panel">
          <h2>Build</h2>
          <dl className="facts">
            <dt>Id</dt>
            <dd className="mono">{build.id}</dd>
            {build.project ? (
              <>
                <dt>Project</dt>
                <dd>
                  <Link href={`/projects/${build.project}`}>{build.project}</Link>
                </dd>
              </>
            ) : null}
            <dt>Queue</dt>
            <dd>
              {build.queue}
              {build.priority !== 0 ? `, priority ${build.priority}` : ""}
            </dd>
            {Object.entries(build.labels).map(([key, label]) => (
              <FactRow key={key} name={key} text={label} />
            ))}
            {build.pinned ? <FactRow name="Kept" text={build.pinned.reason || "for good"} /> : null}
            <dt>Planned</dt>
            <dd>
              <Link href={`/jobs/${build.plan.id}`}>{stateOf(build.plan)}</Link>
            </dd>
          </dl>
        </section>
        {earlier.length > 0 ? (
          <section className="panel">
            <h2>Tried before</h2>
            {earlier.map((job) => (
              <p key={job.id}>
                <State is={stateOf(job)} /> <Link href={`/jobs/${job.id}`}>{job.toolchain}</Link>{" "}
                <span className="quiet wrap">{job.message}</span>
              </p>
            ))}
          </section>
        ) : null}
      </div>
    </>
  );
}

function FactRow({ name, text }: { name: string; text: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{text}</dd>
    </>
  );
}
