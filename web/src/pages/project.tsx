// One project: its watched branches and what was decided of each, how it went over time, and its settings.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { Link, useLocation } from "wouter";
import {
  ApiError,
  client,
  type Head,
  type History,
  type Project,
  value,
  type Watch,
  type WatchRules,
} from "../lib/api";
import { refName, repository, short } from "../lib/format";
import { useLive } from "../lib/live";
import { Act, Empty, Loaded, Revision, Table, Time, useMay, useSubmit, useTitle, Waiting } from "../ui";
import { BuildTable } from "./builds";

const Charts = lazy(() => import("./charts"));

export default function ProjectPage({ name }: { name: string }) {
  useTitle(name);
  useLive(true);
  const path = { project: name };
  const project = useQuery({
    queryKey: ["project", name],
    queryFn: () => value(client.GET("/api/v1/projects/{project}", { params: { path } })),
  });
  return <Loaded of={project}>{(data) => <Shown project={data} />}</Loaded>;
}

function Shown({ project }: { project: Project }) {
  const name = project.name;
  const path = { project: name };
  const may = useMay("admin");
  const watch = useQuery({
    queryKey: ["refs", name, "watch"],
    queryFn: async (): Promise<Watch | null> => {
      try {
        return await value(client.GET("/api/v1/projects/{project}/watch", { params: { path } }));
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return null;
        throw error;
      }
    },
  });
  const refs = useQuery({
    queryKey: ["refs", name],
    queryFn: () => value(client.GET("/api/v1/projects/{project}/refs", { params: { path } })),
    enabled: watch.data != null,
  });
  const history = useQuery({
    queryKey: ["history", name],
    queryFn: () =>
      value(client.GET("/api/v1/projects/{project}/history", { params: { path, query: { limit: 50 } } })),
  });
  const builds = useQuery({
    queryKey: ["builds", "of", name],
    queryFn: () => value(client.GET("/api/v1/builds", { params: { query: { project: name, limit: 10 } } })),
  });
  const [edits, setEdits] = useState(false);
  return (
    <>
      <div className="head">
        <div>
          <h1>{name}</h1>
          <p className="quiet wrap">{project.url ? repository(project.url) : "a project of uploads only"}</p>
        </div>
        <div className="actions">
          {project.url ? (
            <Link className="button" href={`/new?url=${encodeURIComponent(project.url)}`}>
              Build it now
            </Link>
          ) : null}
          {may ? (
            <button type="button" aria-expanded={edits} onClick={() => setEdits(!edits)}>
              Settings
            </button>
          ) : null}
        </div>
      </div>
      {edits ? <Settings project={project} watch={watch.data ?? undefined} /> : null}
      <Loaded of={history}>{(data) => <Strip history={data} />}</Loaded>
      <Loaded of={watch}>
        {(data) => (
          <section className="panel">
            <div className="head">
              <h2>Branches</h2>
              <div className="actions">
                {data && may ? (
                  <Act
                    touches={["refs", "builds", "history"]}
                    run={() => value(client.POST("/api/v1/projects/{project}/check", { params: { path } }))}
                  >
                    Check now
                  </Act>
                ) : null}
                {!data && may && project.url ? (
                  <Act
                    className="first"
                    touches={["refs", "builds"]}
                    run={() =>
                      value(
                        client.PUT("/api/v1/projects/{project}/watch", {
                          params: { path },
                          body: {} as never,
                        }),
                      )
                    }
                  >
                    Watch it
                  </Act>
                ) : null}
              </div>
            </div>
            {data ? (
              <Watched watch={data} />
            ) : (
              <p className="quiet">It is not watched: new commits are not built by themselves.</p>
            )}
            {data ? <Loaded of={refs}>{(page) => <Refs heads={page.items} />}</Loaded> : null}
          </section>
        )}
      </Loaded>
      {may && watch.data ? <Deliveries name={name} /> : null}
      <Loaded of={history}>
        {(data) =>
          data.builds.length > 1 ? (
            <Suspense fallback={<Waiting />}>
              <Charts history={data} />
            </Suspense>
          ) : null
        }
      </Loaded>
      <h2>Builds</h2>
      <Loaded of={builds}>
        {(data) =>
          data.items.length === 0 ? (
            <Empty title="Nothing of it was built yet">
              <p>
                {project.url
                  ? "Build it now, or watch it: then every new commit is built."
                  : `kiln build --project ${name} sends a folder.`}
              </p>
            </Empty>
          ) : (
            <>
              <BuildTable builds={data.items} />
              <p>
                <Link href={`/?project=${encodeURIComponent(name)}`}>All builds of it</Link>
              </p>
            </>
          )
        }
      </Loaded>
    </>
  );
}

function Strip({ history }: { history: History }) {
  if (history.builds.length === 0) return null;
  return (
    <section className="panel">
      <h2>The last {history.builds.length} builds</h2>
      <div className="strip">
        {history.builds.map((build) => (
          <Link
            key={build.build}
            href={`/builds/${build.build}`}
            className={`is-${build.outcome ?? "queued"}`}
            title={`${build.outcome ?? "not finished"}: ${build.subject ?? short(build.commit)}`}
            aria-label={`${build.outcome ?? "not finished"}: ${build.subject ?? short(build.commit)}`}
          />
        ))}
      </div>
    </section>
  );
}

function Watched({ watch }: { watch: Watch }) {
  return (
    <>
      <p className="quiet">
        {watch.seen_at ? (
          <>
            Looked at <Time at={watch.seen_at} />.
          </>
        ) : (
          "It is looked at for the first time in a moment."
        )}{" "}
        Branches {watch.rules.branches.join(", ") || "none"}
        {watch.rules.tags.length > 0 ? `; tags ${watch.rules.tags.join(", ")}` : ""}
        {watch.rules.pull_requests !== "none" ? `; pull requests: ${watch.rules.pull_requests}` : ""}.
      </p>
      {watch.problem ? (
        <div className="says is-error" role="alert">
          {watch.problem}
        </div>
      ) : null}
    </>
  );
}

function Refs({ heads }: { heads: Head[] }) {
  if (heads.length === 0) return <p className="quiet">No branch was seen yet.</p>;
  return (
    <Table heads={["Ref", "Commit", "What was decided", ["Seen", "tight"]]}>
      {heads.map((head) => (
        <tr key={head.name}>
          <td className="wrap">{refName(head.name)}</td>
          <td className="tight">
            {head.commit ? <Revision of={head.commit} /> : <span className="quiet">gone</span>}
          </td>
          <td className="wrap">
            {head.build ? <Link href={`/builds/${head.build}`}>built</Link> : (head.skipped ?? "not built")}
          </td>
          <td className="tight quiet">
            <Time at={head.seen_at} />
          </td>
        </tr>
      ))}
    </Table>
  );
}

function Deliveries({ name }: { name: string }) {
  const path = { project: name };
  const deliveries = useQuery({
    queryKey: ["refs", name, "deliveries"],
    queryFn: () => value(client.GET("/api/v1/projects/{project}/deliveries", { params: { path } })),
  });
  const items = deliveries.data?.items.slice(0, 10) ?? [];
  if (items.length === 0) return null;
  return (
    <section className="panel">
      <h2>Webhooks</h2>
      <Table heads={["From", "Event", "What was decided", ["Received", "tight"]]}>
        {items.map((delivery) => (
          <tr key={delivery.id}>
            <td className="tight">{delivery.forge}</td>
            <td className="wrap">{delivery.event}</td>
            <td className="wrap">
              {delivery.build ? (
                <Link href={`/builds/${delivery.build}`}>built</Link>
              ) : (
                (delivery.outcome ?? "waits")
              )}
            </td>
            <td className="tight quiet">
              <Time at={delivery.received_at} />
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

const list = (text: string) =>
  text
    .split(/[\s,]+/)
    .map((item) => item.trim())
    .filter((item) => item !== "");

function Settings({ project, watch }: { project: Project; watch?: Watch }) {
  const path = { project: project.name };
  const [, go] = useLocation();
  const queries = useQueryClient();
  const [name, setName] = useState(project.name);
  const [url, setUrl] = useState(project.url ?? "");
  const [rules, setRules] = useState<WatchRules | undefined>(watch?.rules);
  const [isSaved, setSaved] = useState(false);
  const { onSubmit, refused } = useSubmit(async () => {
    setSaved(false);
    const change: { name?: string; url?: string } = {};
    if (name.trim() !== project.name) change.name = name.trim();
    if (url.trim() && url.trim() !== project.url) change.url = url.trim();
    if (rules) {
      await value(client.PUT("/api/v1/projects/{project}/watch", { params: { path }, body: rules }));
    }
    const changed =
      Object.keys(change).length > 0
        ? await value(client.PATCH("/api/v1/projects/{project}", { params: { path }, body: change }))
        : project;
    setSaved(true);
    await queries.invalidateQueries({
      predicate: ({ queryKey: [kind] }) => kind === "project" || kind === "projects" || kind === "refs",
    });
    if (changed.name !== project.name) go(`/projects/${changed.name}`);
  });
  const lines = (
    label: string,
    field: "branches" | "tags" | "paths" | "ignore_paths" | "toolchains",
    help: string,
  ) =>
    rules ? (
      <ListField
        label={label}
        help={help}
        items={rules[field]}
        onChange={(items) => setRules({ ...rules, [field]: items })}
      />
    ) : null;
  return (
    <form className="panel" onSubmit={onSubmit}>
      <h2>Settings</h2>
      <div className="grid">
        <div>
          <label className="field">
            <span>Name</span>
            <input type="text" value={name} required onChange={(event) => setName(event.target.value)} />
          </label>
          <label className="field">
            <span>Repository</span>
            <input type="text" value={url} onChange={(event) => setUrl(event.target.value)} />
          </label>
          {lines("Toolchains", "toolchains", "None: as .kiln.toml says, or the server's own.")}
        </div>
        {rules ? (
          <div>
            {lines("Branches", "branches", "Patterns such as main or release/*.")}
            {lines("Tags", "tags", "Patterns such as v*.")}
            {lines("Only when these paths change", "paths", "Patterns such as src/**.")}
            {lines("Not when only these change", "ignore_paths", "Patterns such as docs/**.")}
          </div>
        ) : null}
        {rules ? (
          <div>
            <label className="field">
              <span>Pull requests</span>
              <select
                value={rules.pull_requests}
                onChange={(event) =>
                  setRules({ ...rules, pull_requests: event.target.value as WatchRules["pull_requests"] })
                }
              >
                <option value="none">not built</option>
                <option value="own">of the repository's own branches</option>
                <option value="forks">of forks, too (without secrets)</option>
              </select>
            </label>
            <label className="field">
              <span>Asked every … seconds</span>
              <input
                type="number"
                min={10}
                max={86400}
                value={rules.poll_seconds ?? ""}
                placeholder="as the server says"
                onChange={(event) =>
                  setRules({ ...rules, poll_seconds: event.target.value ? Number(event.target.value) : null })
                }
              />
            </label>
            <div className="ticks">
              <label>
                <input
                  type="checkbox"
                  checked={rules.supersede}
                  onChange={(event) => setRules({ ...rules, supersede: event.target.checked })}
                />
                A newer commit ends the builds of older ones
              </label>
            </div>
          </div>
        ) : null}
      </div>
      {refused}
      <div className="actions">
        <button type="submit" className="first">
          Save
        </button>
        {isSaved ? <span role="status">Saved</span> : null}
        {watch ? (
          <Act
            touches={["refs"]}
            confirm="New commits are then not built by themselves any more. What was built stays."
            run={() => value(client.DELETE("/api/v1/projects/{project}/watch", { params: { path } }))}
          >
            Stop watching
          </Act>
        ) : null}
        <Act
          className="danger"
          touches={["projects"]}
          confirm={`The project ${project.name} goes, with its settings and secrets. Its builds stay.`}
          run={() => value(client.DELETE("/api/v1/projects/{project}", { params: { path } }))}
          then={() => go("/projects")}
        >
          Remove the project
        </Act>
      </div>
    </form>
  );
}

/** A list of short texts, in one field. */
function ListField({
  label,
  help,
  items,
  onChange,
}: {
  label: string;
  help: string;
  items: string[];
  onChange: (items: string[]) => void;
}) {
  const [text, setText] = useState(items.join(", "));
  return (
    <>
      <label className="field">
        <span>{label}</span>
        <input
          type="text"
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            onChange(list(event.target.value));
          }}
        />
      </label>
      <small className="help">{help}</small>
    </>
  );
}
