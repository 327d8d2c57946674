// All projects, with how their newest build went.

import { useQueries, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useLocation } from "wouter";
import { client, value } from "../lib/api";
import { repository } from "../lib/format";
import { useLive } from "../lib/live";
import { Empty, Leg, Loaded, State, stateOf, Table, Time, useMay, useSubmit, useTitle } from "../ui";

export default function Projects() {
  useTitle("Projects");
  useLive(true);
  const may = useMay("admin");
  const [adds, setAdds] = useState(false);
  const projects = useQuery({ queryKey: ["projects"], queryFn: () => value(client.GET("/api/v1/projects")) });
  const newest = useQueries({
    queries: (projects.data?.items ?? []).map((project) => ({
      queryKey: ["builds", "newest", project.name],
      queryFn: () =>
        value(client.GET("/api/v1/builds", { params: { query: { project: project.name, limit: 1 } } })),
    })),
  });
  return (
    <>
      <div className="head">
        <h1>Projects</h1>
        {may && !adds ? (
          <div className="actions">
            <button type="button" className="first" onClick={() => setAdds(true)}>
              Add a project
            </button>
          </div>
        ) : null}
      </div>
      {adds ? <Add onClose={() => setAdds(false)} /> : null}
      <Loaded of={projects}>
        {(data) =>
          data.items.length === 0 ? (
            <Empty title="There are no projects yet">
              <p>
                A project is a repository with a name: its branches can be watched, so that every new commit
                is built by itself.
              </p>
              {may ? null : <p>An administrator can add one.</p>}
            </Empty>
          ) : (
            <div className="panel">
              <Table heads={["Project", "Repository", "Newest build", "Toolchains", ["Begun", "tight"]]}>
                {data.items.map((project, at) => {
                  const build = newest[at]?.data?.items[0];
                  return (
                    <tr key={project.id}>
                      <td>
                        <Link href={`/projects/${project.name}`}>
                          <strong>{project.name}</strong>
                        </Link>
                      </td>
                      <td className="wrap quiet">{project.url ? repository(project.url) : "uploads only"}</td>
                      <td className="wrap">
                        {build ? (
                          <>
                            <State is={stateOf(build)} />{" "}
                            <Link href={`/builds/${build.id}`}>{build.commit_info?.subject ?? "build"}</Link>
                          </>
                        ) : (
                          <span className="quiet">{newest[at]?.isSuccess ? "none yet" : ""}</span>
                        )}
                      </td>
                      <td>
                        {build?.jobs
                          .filter((job) => !job.retried)
                          .map((job) => (
                            <Leg key={job.id} job={job} />
                          ))}
                      </td>
                      <td className="tight quiet">{build ? <Time at={build.created_at} /> : null}</td>
                    </tr>
                  );
                })}
              </Table>
            </div>
          )
        }
      </Loaded>
    </>
  );
}

function Add({ onClose }: { onClose: () => void }) {
  const [url, setUrl] = useState("");
  const [name, setName] = useState("");
  const [watches, setWatches] = useState(true);
  const [, go] = useLocation();
  const { onSubmit, refused } = useSubmit(async () => {
    const made = await value(
      client.POST("/api/v1/projects", { body: { url: url.trim() || null, name: name.trim() || null } }),
    );
    if (watches && made.url) {
      await value(
        client.PUT("/api/v1/projects/{project}/watch", {
          params: { path: { project: made.name } },
          body: {} as never,
        }),
      );
    }
    go(`/projects/${made.name}`);
  });
  return (
    <form className="panel" onSubmit={onSubmit}>
      <h2>Add a project</h2>
      <label className="field">
        <span>Repository</span>
        <input
          type="text"
          value={url}
          placeholder="https://git.example.org/zlib.git"
          onChange={(event) => setUrl(event.target.value)}
        />
      </label>
      <label className="field">
        <span>Name</span>
        <input type="text" value={name} onChange={(event) => setName(event.target.value)} />
      </label>
      <small className="help">After the repository, unless you say otherwise.</small>
      <div className="ticks">
        <label>
          <input type="checkbox" checked={watches} onChange={(event) => setWatches(event.target.checked)} />{" "}
          Build new commits by themselves
        </label>
      </div>
      {refused}
      <div className="actions">
        <button type="submit" className="first" disabled={url.trim() === "" && name.trim() === ""}>
          Add
        </button>
        <button type="button" onClick={onClose}>
          Cancel
        </button>
      </div>
    </form>
  );
}
