// What waits and why, and who works on what.

import { useQueries, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { type Agent, type Build, client, counting, type JobSummary, type Queue, value } from "../lib/api";
import { bytes, count } from "../lib/format";
import { useLive } from "../lib/live";
import { Act, type AnyState, Empty, Loaded, State, Table, Time, useMay, useTitle } from "../ui";

export default function Queues() {
  useTitle("Queues and agents");
  useLive(true);
  const queues = useQuery({ queryKey: ["queues"], queryFn: () => value(client.GET("/api/v1/queues")) });
  const agents = useQuery({ queryKey: ["agents"], queryFn: () => value(client.GET("/api/v1/agents")) });
  const open = useOpen();
  return (
    <>
      <div className="head">
        <h1>Queues and agents</h1>
      </div>
      <Loaded of={queues}>{(data) => <QueueTable queues={data.items} />}</Loaded>
      <Waits open={open} />
      <Loaded of={agents}>{(data) => <AgentTable agents={data.items} open={open} />}</Loaded>
    </>
  );
}

function QueueTable({ queues }: { queues: Queue[] }) {
  const may = useMay("admin");
  return (
    <section className="panel">
      <h2>Queues</h2>
      <Table
        heads={[
          "Queue",
          ["Waiting", "num"],
          ["Running", "num"],
          "Longest wait since",
          "Rules",
          ["Actions", "hidden"],
        ]}
      >
        {queues.map((queue) => (
          <tr key={queue.name}>
            <td>
              <strong>{queue.name}</strong>
              {queue.paused ? (
                <div className="wrap is-error">
                  paused by {queue.paused.by.replace(/^user:/, "")}: {queue.paused.reason}
                </div>
              ) : null}
            </td>
            <td className="num">{queue.waiting}</td>
            <td className="num">
              {queue.running}
              {queue.rules.concurrency != null ? ` of ${queue.rules.concurrency}` : ""}
            </td>
            <td>{queue.oldest_waiting_since ? <Time at={queue.oldest_waiting_since} /> : ""}</td>
            <td className="quiet wrap">{rulesOf(queue)}</td>
            <td className="tight">
              {may ? (
                queue.paused ? (
                  <Act
                    touches={["queues", "builds"]}
                    run={() =>
                      value(
                        client.POST("/api/v1/queues/{queue}/resume", {
                          params: { path: { queue: queue.name } },
                        }),
                      )
                    }
                  >
                    Resume<span className="hidden"> the queue {queue.name}</span>
                  </Act>
                ) : (
                  <WithReason
                    label={`Pause`}
                    what={`the queue ${queue.name}`}
                    touches={["queues", "builds"]}
                    run={(reason) =>
                      value(
                        client.POST("/api/v1/queues/{queue}/pause", {
                          params: { path: { queue: queue.name } },
                          body: { reason },
                        }),
                      )
                    }
                  />
                )
              ) : null}
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

function rulesOf(queue: Queue): string {
  const { rules } = queue;
  const said: string[] = [];
  if (rules.priority) said.push(`priority ${rules.priority}`);
  if (rules.per_project != null) said.push(`${rules.per_project} for a project`);
  if (rules.per_user != null) said.push(`${rules.per_user} for a user`);
  if (rules.max_waiting != null) said.push(`${rules.max_waiting} may wait`);
  if (rules.requires?.length) said.push(`agents with ${rules.requires.join(", ")}`);
  return said.join("; ");
}

/** A job that has not ended, and its build. */
interface Open {
  build: Build;
  job: JobSummary;
}

/** What has not ended: plans and legs, of the newest builds in each state. */
function useOpen(): Open[] {
  const found = useQueries({
    queries: (["running", "queued", "planning"] as const).map((state) => ({
      queryKey: ["builds", "state", state],
      queryFn: () => value(client.GET("/api/v1/builds", { params: { query: { state, limit: 50 } } })),
    })),
  });
  return found
    .flatMap((asked) => asked.data?.items ?? [])
    .flatMap((build) => [build.plan, ...counting(build.jobs)].map((job) => ({ build, job })))
    .filter(({ job }) => job.state !== "finished");
}

function nameOf(build: Build): string {
  return build.commit_info?.subject ?? build.project ?? "build";
}

/** What waits, with the reason that the server gives. */
function Waits({ open }: { open: Open[] }) {
  const waiting = open.filter(({ job }) => job.state === "queued");
  if (waiting.length === 0) return null;
  return (
    <section className="panel">
      <h2>What waits, and why</h2>
      <Table heads={["Job", "Of", "Queue", "Why it waits", ["Since", "tight"]]}>
        {waiting.slice(0, 100).map(({ build, job }) => (
          <tr key={job.id}>
            <td className="tight">
              <Link href={`/jobs/${job.id}`}>{job.toolchain ?? "plan"}</Link>
            </td>
            <td className="wrap">
              <Link href={`/builds/${build.id}`}>{nameOf(build)}</Link>
            </td>
            <td className="tight">{build.queue}</td>
            <td className="wrap">{job.message}</td>
            <td className="tight quiet">
              <Time at={job.created_at} />
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

/** How an agent is, as a color and in a word. */
function standing(agent: Agent): [AnyState, string] {
  if (!agent.online) return ["failure", "away"];
  if (agent.hold) return ["queued", agent.hold.kind === "draining" ? "draining" : "on hold"];
  return agent.status.busy > 0 ? ["running", "working"] : ["success", "ready"];
}

function AgentTable({ agents, open }: { agents: Agent[]; open: Open[] }) {
  const may = useMay("admin");
  if (agents.length === 0) {
    return (
      <Empty title="There is no agent">
        <p>
          Jobs wait until one comes: <code>kiln agent --server URL</code> on a machine with a container
          engine.
        </p>
      </Empty>
    );
  }
  return (
    <section className="panel">
      <h2>Agents</h2>
      <Table
        heads={[
          "Agent",
          "State",
          ["Busy", "num"],
          "Works on",
          "Machine",
          "Labels",
          ["Seen", "tight"],
          ["Actions", "hidden"],
        ]}
      >
        {agents.map((agent) => {
          const path = { agent: agent.id };
          const [color, word] = standing(agent);
          return (
            <tr key={agent.id}>
              <td>
                <strong>{agent.name}</strong>
              </td>
              <td className="wrap">
                <State is={color}>{word}</State>
                {agent.hold ? <div className="quiet wrap">{agent.hold.reason}</div> : null}
                {agent.status.paused ? <div className="is-error wrap">{agent.status.paused}</div> : null}
              </td>
              <td className="num">
                {agent.status.busy} of {agent.status.workers}
              </td>
              <td>
                {agent.jobs.map((id) => {
                  const known = open.find(({ job }) => job.id === id);
                  return (
                    <div key={id}>
                      <Link href={`/jobs/${id}`}>
                        {known
                          ? `${known.job.toolchain ?? "plan"} of ${nameOf(known.build)}`
                          : `…${id.slice(-8)}`}
                      </Link>
                    </div>
                  );
                })}
              </td>
              <td className="quiet">
                {agent.status.arch}, {count(agent.status.cpus, "core")}, {bytes(agent.status.memory_bytes)}
                <br />
                {agent.status.engine}
              </td>
              <td className="wrap">
                {agent.labels.map((label) => (
                  <span key={label} className="tag">
                    {label}
                  </span>
                ))}
              </td>
              <td className="tight quiet">
                <Time at={agent.seen_at} />
              </td>
              <td>
                {may ? (
                  <div className="actions">
                    {agent.hold ? (
                      <Act
                        touches={["agents"]}
                        run={() => value(client.POST("/api/v1/agents/{agent}/resume", { params: { path } }))}
                      >
                        Resume<span className="hidden"> {agent.name}</span>
                      </Act>
                    ) : (
                      (["hold", "drain"] as const).map((what) => (
                        <WithReason
                          key={what}
                          label={what === "hold" ? "Hold" : "Drain"}
                          what={agent.name}
                          touches={["agents", "builds"]}
                          run={(reason) =>
                            value(
                              client.POST(`/api/v1/agents/{agent}/${what}`, {
                                params: { path },
                                body: { reason },
                              }),
                            )
                          }
                        />
                      ))
                    )}
                  </div>
                ) : null}
              </td>
            </tr>
          );
        })}
      </Table>
    </section>
  );
}

/** A button that asks why: the reason stands at everything that waits for it. */
function WithReason({
  label,
  what,
  touches,
  run,
}: {
  label: string;
  what: string;
  touches: string[];
  run: (reason: string) => Promise<unknown>;
}) {
  const [asks, setAsks] = useState(false);
  const [reason, setReason] = useState("");
  if (!asks) {
    return (
      <button type="button" onClick={() => setAsks(true)}>
        {label}
        <span className="hidden"> {what}</span>
      </button>
    );
  }
  return (
    <span className="actions">
      <input
        type="text"
        aria-label={`Why ${label.toLowerCase()} ${what}`}
        placeholder="Why?"
        value={reason}
        onChange={(event) => setReason(event.target.value)}
      />
      <Act
        className="first"
        disabled={reason.trim() === ""}
        touches={touches}
        run={() => run(reason.trim())}
        then={() => setAsks(false)}
      >
        {label}
      </Act>
      <button type="button" onClick={() => setAsks(false)}>
        No
      </button>
    </span>
  );
}
