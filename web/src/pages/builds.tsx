// All builds, the newest first, as they happen. What is asked for stands in the address.

import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { memo, useCallback, useDeferredValue, useEffect, useMemo, useState } from "react";
import { Link, useLocation, useSearchParams } from "wouter";
import { type Build, type BuildState, client, counting, type Outcome, sourceOf, value } from "../lib/api";
import { refName, repository } from "../lib/format";
import { useLive } from "../lib/live";
import { sharePages } from "../lib/share";
import { Empty, Leg, Loaded, Revision, State, stateOf, Table, Time, Took, useRows, useTitle } from "../ui";

const FIELDS = ["project", "branch", "commit", "toolchain", "state", "outcome"] as const;
type Field = (typeof FIELDS)[number];
const STATES: BuildState[] = ["planning", "queued", "running", "finished"];
const OUTCOMES: Outcome[] = ["success", "failure", "error", "timeout", "cancelled"];

export function Builds() {
  useTitle("Builds");
  useLive(true);
  const [search, setSearch] = useSearchParams();
  const [, go] = useLocation();
  const filter: Partial<Record<Field, string>> = {};
  for (const field of FIELDS) {
    const given = search.get(field);
    if (given) filter[field] = given;
  }
  const isFiltered = Object.keys(filter).length > 0;
  const builds = useInfiniteQuery({
    queryKey: ["builds", filter],
    queryFn: ({ pageParam }) =>
      value(
        client.GET("/api/v1/builds", {
          params: { query: { ...filter, limit: 30, cursor: pageParam } as { limit: number } },
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    placeholderData: keepPreviousData,
    structuralSharing: sharePages,
  });
  // Drawn when there is time for it: a list that changes all the time does not hold up what one does.
  const data = useDeferredValue(builds.data);
  const items = useMemo(() => data?.pages.flatMap((page) => page.items) ?? [], [data]);
  const open = useCallback(
    (at: number) => {
      const build = items[at];
      if (build) go(`/builds/${build.id}`);
    },
    [items, go],
  );
  const chosen = useRows(items.length, open);

  const set = (field: Field, text: string) => {
    const next = new URLSearchParams(search);
    if (text) next.set(field, text);
    else next.delete(field);
    setSearch(next, { replace: true });
  };

  return (
    <>
      <div className="head">
        <h1>Builds</h1>
      </div>
      <Filters
        filter={filter}
        set={set}
        isFiltered={isFiltered}
        clear={() => setSearch({}, { replace: true })}
      />
      <Loaded of={{ ...builds, data }}>
        {() =>
          items.length === 0 ? (
            isFiltered ? (
              <Empty title="No build is like that">
                <button type="button" onClick={() => setSearch({}, { replace: true })}>
                  Show all builds
                </button>
              </Empty>
            ) : (
              <Empty title="Nothing was built yet">
                <p>
                  <Link className="button first" href="/new">
                    Build a repository
                  </Link>
                </p>
                <p>
                  or, in a folder with C or C++ in it: <code>kiln build</code>
                </p>
              </Empty>
            )
          ) : (
            <>
              <BuildTable builds={items} chosen={chosen} />
              {builds.hasNextPage ? (
                <p>
                  <button
                    type="button"
                    disabled={builds.isFetchingNextPage}
                    onClick={() => void builds.fetchNextPage()}
                  >
                    Older builds
                  </button>
                </p>
              ) : null}
            </>
          )
        }
      </Loaded>
    </>
  );
}

function Filters({
  filter,
  set,
  isFiltered,
  clear,
}: {
  filter: Partial<Record<Field, string>>;
  set: (field: Field, text: string) => void;
  isFiltered: boolean;
  clear: () => void;
}) {
  const projects = useQuery({ queryKey: ["projects"], queryFn: () => value(client.GET("/api/v1/projects")) });
  const toolchains = useQuery({
    queryKey: ["toolchains"],
    queryFn: () => value(client.GET("/api/v1/toolchains")),
  });
  const choice = (field: Field, label: string, options: string[]) => (
    <select
      aria-label={label}
      value={filter[field] ?? ""}
      onChange={(event) => set(field, event.target.value)}
    >
      <option value="">{label}: any</option>
      {[...new Set([...options, ...(filter[field] ? [filter[field]] : [])])].map((option) => (
        <option key={option} value={option}>
          {option}
        </option>
      ))}
    </select>
  );
  return (
    <search className="filters">
      {choice("project", "Project", projects.data?.items.map((project) => project.name) ?? [])}
      <TextFilter label="Branch" value={filter.branch} onChange={(text) => set("branch", text)} />
      <TextFilter label="Commit" value={filter.commit} onChange={(text) => set("commit", text)} />
      {choice("toolchain", "Toolchain", toolchains.data?.items.map((toolchain) => toolchain.name) ?? [])}
      {choice("state", "State", STATES)}
      {choice("outcome", "Outcome", OUTCOMES)}
      {isFiltered ? (
        <button type="button" onClick={clear}>
          Clear
        </button>
      ) : null}
    </search>
  );
}

/** A filter that is typed: it counts when one stops typing. */
function TextFilter({
  label,
  value: given,
  onChange,
}: {
  label: string;
  value?: string;
  onChange: (text: string) => void;
}) {
  const [text, setText] = useState(given ?? "");
  useEffect(() => setText(given ?? ""), [given]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: only what is typed counts
  useEffect(() => {
    const trimmed = text.trim();
    if (trimmed === (given ?? "")) return;
    const timer = setTimeout(() => onChange(trimmed), 350);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <input
      type="search"
      aria-label={label}
      placeholder={label}
      value={text}
      onChange={(event) => setText(event.target.value)}
    />
  );
}

export function BuildTable({ builds, chosen = -1 }: { builds: Build[]; chosen?: number }) {
  return (
    <Table
      className="builds"
      heads={[["State", "tight"], "Build", "Source", "Toolchains", ["Took", "num"], ["Begun", "tight"]]}
    >
      {builds.map((build, at) => (
        <BuildRow key={build.id} build={build} isChosen={at === chosen} />
      ))}
    </Table>
  );
}

/** A line of the list; drawn again only when its build has changed. */
const BuildRow = memo(function BuildRow({ build, isChosen }: { build: Build; isChosen: boolean }) {
  return (
    <tr className={isChosen ? "chosen" : undefined}>
      <td className="tight">
        <State is={stateOf(build)} />
      </td>
      <td className="what">
        <Link className="subject" href={`/builds/${build.id}`}>
          {build.commit_info?.subject || title(build)}
        </Link>
        <span className="quiet">
          {build.commit_info ? `${build.commit_info.author}, ` : ""}
          {build.trigger.replace("_", " ")}
        </span>
      </td>
      <td className="what">
        {build.project ? (
          <Link href={`/projects/${build.project}`}>{build.project}</Link>
        ) : (
          <span>{place(build)}</span>
        )}
        <br />
        <span className="quiet">
          {sourceOf(build).ref ? `${refName(sourceOf(build).ref ?? "")} ` : ""}
          <Revision of={build.commit} />
        </span>
      </td>
      <td className="legs-cell">
        <div className="legs">
          {counting(build.jobs).map((job) => (
            <Leg key={job.id} job={job} />
          ))}
        </div>
      </td>
      <td className="num">
        <Took from={build.created_at} to={build.finished_at} />
      </td>
      <td className="tight quiet">
        <Time at={build.created_at} />
      </td>
    </tr>
  );
});

function place(build: Build): string {
  const { url } = sourceOf(build);
  return url ? repository(url) : "working tree";
}

/** What a build is called where its commit says nothing yet. */
export function title(build: Build): string {
  return sourceOf(build).upload ? "Working tree" : `Build of ${place(build)}`;
}
