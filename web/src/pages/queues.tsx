// What waits and why, and who works on what.

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { type Agent, client, counting, type Queue, value } from "../lib/api";
import { bytes, count } from "../lib/format";
import { useLive } from "../lib/live";
import { Act, Empty, Loaded, State, Time, useMay, useTitle } from "../ui";

export default function Queues() {
  useTitle("Queues and agents");
  useLive(true);
  const queues = useQuery({ queryKey: ["queues"], queryFn: () => value(client.GET("/api/v1/queues")) });
  const agents = useQuery({ queryKey: ["agents"], queryFn: () => value(client.GET("/api/v1/agents")) });
  return (
    <>
      <div className="head">
        <h1>Queues and agents</h1>
      </div>
      <Loaded of={queues}>{(data) => <QueueTable queues={data.items} />}</Loaded>
      <Busy />
      <Loaded of={agents}>{(data) => <AgentTable agents={data.items} />}</Loaded>
    </>
  );
}

function QueueTable({ queues }: { queues: Queue[] }) {
  const may = useMay("admin");
  return (
    <section className="panel">
      <h2>Queues</h2>
      <div className="scroll">
        <table>
          <thead>
            <tr>
              <th>Queue</th>
              <th className="num">Waiting</th>
              <th className="num">Running</th>
              <th>Longest wait since</th>
              <th>Rules</th>
              <th className="tight">
                <span className="hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
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
          </tbody>
        </table>
      </div>
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

/** What waits, with the reason that the server gives, and what runs where. */
function Busy() {
  const waiting = useQuery({
    queryKey: ["builds", "state", "queued"],
    queryFn: () => value(client.GET("/api/v1/builds", { params: { query: { state: "queued", limit: 50 } } })),
  });
  const running = useQuery({
    queryKey: ["builds", "state", "running"],
    queryFn: () =>
      value(client.GET("/api/v1/builds", { params: { query: { state: "running", limit: 50 } } })),
  });
  const jobs = [...(running.data?.items ?? []), ...(waiting.data?.items ?? [])].flatMap((build) =>
    counting(build.jobs)
      .filter((job) => job.state === "queued")
      .map((job) => ({ build, job })),
  );
  if (jobs.length === 0) return null;
  return (
    <section className="panel">
      <h2>What waits, and why</h2>
      <div className="scroll">
        <table>
          <thead>
            <tr>
              <th>Job</th>
              <th>Of</th>
              <th>Queue</th>
              <th>Why it waits</th>
              <th className="tight">Since</th>
            </tr>
          </thead>
          <tbody>
            {jobs.slice(0, 100).map(({ build, job }) => (
              <tr key={job.id}>
                <td className="tight">
                  <Link href={`/jobs/${job.id}`}>{job.toolchain}</Link>
                </td>
                <td className="wrap">
                  <Link href={`/builds/${build.id}`}>
                    {build.commit_info?.subject ?? build.project ?? "build"}
                  </Link>
                </td>
                <td className="tight">{build.queue}</td>
                <td className="wrap">{job.message}</td>
                <td className="tight quiet">
                  <Time at={job.created_at} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function AgentTable({ agents }: { agents: Agent[] }) {
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
      <div className="scroll">
        <table>
          <thead>
            <tr>
              <th>Agent</th>
              <th>State</th>
              <th className="num">Busy</th>
              <th>Works on</th>
              <th>Machine</th>
              <th>Labels</th>
              <th className="tight">Seen</th>
              <th className="tight">
                <span className="hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {agents.map((agent) => {
              const path = { agent: agent.id };
              return (
                <tr key={agent.id}>
                  <td>
                    <strong>{agent.name}</strong>
                  </td>
                  <td className="wrap">
                    <State
                      is={
                        !agent.online
                          ? "failure"
                          : agent.hold
                            ? "queued"
                            : agent.status.busy > 0
                              ? "running"
                              : "success"
                      }
                    >
                      {!agent.online
                        ? "away"
                        : agent.hold
                          ? agent.hold.kind === "draining"
                            ? "draining"
                            : "on hold"
                          : agent.status.busy > 0
                            ? "working"
                            : "ready"}
                    </State>
                    {agent.hold ? <div className="quiet wrap">{agent.hold.reason}</div> : null}
                    {agent.status.paused ? <div className="is-error wrap">{agent.status.paused}</div> : null}
                  </td>
                  <td className="num">
                    {agent.status.busy} of {agent.status.workers}
                  </td>
                  <td>
                    {agent.jobs.map((job) => (
                      <div key={job}>
                        <Link className="mono" href={`/jobs/${job}`}>
                          …{job.slice(-8)}
                        </Link>
                      </div>
                    ))}
                  </td>
                  <td className="quiet">
                    {agent.status.arch}, {count(agent.status.cpus, "core")},{" "}
                    {bytes(agent.status.memory_bytes)}
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
                            run={() =>
                              value(client.POST("/api/v1/agents/{agent}/resume", { params: { path } }))
                            }
                          >
                            Resume<span className="hidden"> {agent.name}</span>
                          </Act>
                        ) : (
                          <>
                            <WithReason
                              label="Hold"
                              what={agent.name}
                              touches={["agents", "builds"]}
                              run={(reason) =>
                                value(
                                  client.POST("/api/v1/agents/{agent}/hold", {
                                    params: { path },
                                    body: { reason },
                                  }),
                                )
                              }
                            />
                            <WithReason
                              label="Drain"
                              what={agent.name}
                              touches={["agents", "builds"]}
                              run={(reason) =>
                                value(
                                  client.POST("/api/v1/agents/{agent}/drain", {
                                    params: { path },
                                    body: { reason },
                                  }),
                                )
                              }
                            />
                          </>
                        )}
                      </div>
                    ) : null}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
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
