// Everything there is for one revision: its toolchains side by side, and what each of them made of it.

import { useQueries, useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import {
  archiveUrl,
  type Build,
  client,
  counting,
  isCommit,
  type Job,
  type JobSummary,
  sourceOf,
  value,
} from "../lib/api";
import { bytes, duration, repository, short, words } from "../lib/format";
import { useLive } from "../lib/live";
import { Copy, Empty, Loaded, State, stateOf, Table, Time, useTitle } from "../ui";
import { BuildTable } from "./builds";

/** Jobs whose figures are asked for. */
const COMPARED = 24;

/** The newest job of each leg of a revision, whichever build it is in. */
export function newestLegs(builds: Build[]): JobSummary[] {
  const legs = new Map<string, JobSummary>();
  for (const build of builds) {
    for (const job of counting(build.jobs)) {
      const leg = `${job.toolchain} ${job.variant}`;
      if (job.toolchain && !legs.has(leg)) legs.set(leg, job);
    }
  }
  return [...legs.values()].sort((a, b) =>
    (a.toolchain ?? "").localeCompare(b.toolchain ?? "", "en", { numeric: true }),
  );
}

export function CommitPage({ revision }: { revision: string }) {
  useTitle(short(revision));
  const builds = useQuery({
    queryKey: ["commit", revision],
    queryFn: () =>
      value(client.GET("/api/v1/builds", { params: { query: { commit: revision, limit: 100 } } })),
  });
  useLive(builds.data?.items.some((build) => build.state !== "finished") ?? true);
  return <Loaded of={builds}>{(data) => <Shown revision={revision} builds={data.items} />}</Loaded>;
}

function Shown({ revision, builds }: { revision: string; builds: Build[] }) {
  const known = builds.find((build) => build.commit_info)?.commit_info;
  const url = builds.map((build) => sourceOf(build).url).find((found) => found);
  return (
    <>
      <div className="head">
        <div>
          <h1>{known?.subject ?? (isCommit(revision) ? "Commit" : "Working tree")}</h1>
          <p className="quiet wrap">
            <span className="mono">{revision}</span> <Copy text={revision} />
          </p>
          {known ? (
            <p className="quiet">
              {known.author}, <Time at={known.committed_at} />
              {url ? ` in ${repository(url)}` : ""}
            </p>
          ) : null}
        </div>
      </div>
      {builds.length === 0 ? (
        <Empty title="This was not built here">
          <p>
            <Link className="button first" href={isCommit(revision) ? `/new?commit=${revision}` : "/new"}>
              Build it
            </Link>
          </p>
        </Empty>
      ) : (
        <>
          <Compared legs={newestLegs(builds)} />
          <h2>Builds of it</h2>
          <BuildTable builds={builds} />
        </>
      )}
    </>
  );
}

function Compared({ legs }: { legs: JobSummary[] }) {
  const jobs = useQueries({
    queries: legs.slice(0, COMPARED).map((leg) => ({
      queryKey: ["job", leg.id],
      queryFn: () => value(client.GET("/api/v1/jobs/{job}", { params: { path: { job: leg.id } } })),
    })),
  });
  const figures = new Map<string, Job>();
  for (const job of jobs) if (job.data) figures.set(job.data.id, job.data);
  if (legs.length === 0) return null;
  return (
    <section className="panel">
      <h2>Toolchains side by side</h2>
      <Table
        heads={[
          "Toolchain",
          "Outcome",
          "Cause",
          ["Errors", "num"],
          ["Warnings", "num"],
          ["Time", "num"],
          ["Memory", "num"],
          ["Files", "num"],
          ["Artifacts", "num"],
          "Compiler",
          ["Download", "hidden"],
        ]}
      >
        {legs.map((leg) => {
          const last = figures.get(leg.id)?.attempts.at(-1);
          const kept = last?.artifacts;
          return (
            <tr key={leg.id}>
              <td className="tight">
                <Link href={`/jobs/${leg.id}`}>
                  <strong>{leg.toolchain}</strong>
                </Link>
              </td>
              <td className="tight">
                <State is={stateOf(leg)} />
              </td>
              <td className="tight">{leg.cause ? words(leg.cause) : ""}</td>
              <td className="num">{last?.diagnostics?.errors ?? ""}</td>
              <td className="num">{last?.diagnostics?.warnings ?? ""}</td>
              <td className="num">{last?.usage?.run_millis ? duration(last.usage.run_millis) : ""}</td>
              <td className="num">
                {last?.usage?.peak_memory_bytes ? bytes(last.usage.peak_memory_bytes) : ""}
              </td>
              <td className="num">{kept?.files ?? ""}</td>
              <td className="num">{kept ? bytes(kept.bytes) : ""}</td>
              <td className="wrap quiet">{last?.sandbox?.compiler ?? ""}</td>
              <td className="tight">
                {kept ? (
                  <a href={archiveUrl(leg.id)} download={`${leg.id}.tar.gz`}>
                    Download<span className="hidden"> what {leg.toolchain} made</span>
                  </a>
                ) : null}
              </td>
            </tr>
          );
        })}
      </Table>
      {legs.length > COMPARED ? <p className="quiet">Figures are shown of the first {COMPARED}.</p> : null}
    </section>
  );
}
