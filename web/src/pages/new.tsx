// A new build: a repository, what of it, and with what.

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useLocation, useSearchParams } from "wouter";
import { client, type SubmitBuild, value } from "../lib/api";
import { Empty, Loaded, useMay, useSubmit, useTitle } from "../ui";

/** What was written into the form. */
export interface Form {
  url: string;
  what: string;
  toolchains: string[];
  steps: string;
  packages: string;
  queue: string;
}

/** The request that a form stands for. */
export function submission(form: Form): SubmitBuild {
  const what = form.what.trim();
  const isCommit = /^[0-9a-f]{40}([0-9a-f]{24})?$/i.test(what);
  const steps = form.steps
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  return {
    source: {
      git: {
        url: form.url.trim(),
        ...(what === "" ? {} : isCommit ? { commit: what.toLowerCase() } : { ref: what }),
      },
    },
    ...(form.toolchains.length > 0 ? { toolchains: form.toolchains } : {}),
    ...(steps.length > 0 ? { steps: steps.map((run, at) => ({ name: `step-${at + 1}`, run })) } : {}),
    ...(form.packages.trim() ? { packages: form.packages.trim().split(/[\s,]+/) } : {}),
    ...(form.queue.trim() ? { queue: form.queue.trim() } : {}),
  };
}

function Ticks({
  names,
  chosen,
  onChange,
}: {
  names: string[];
  chosen: string[];
  onChange: (names: string[]) => void;
}) {
  return (
    <div className="ticks">
      {names.map((name) => (
        <label key={name}>
          <input
            type="checkbox"
            checked={chosen.includes(name)}
            onChange={(event) =>
              onChange(event.target.checked ? [...chosen, name] : chosen.filter((other) => other !== name))
            }
          />
          {name}
        </label>
      ))}
    </div>
  );
}

export default function NewBuild() {
  useTitle("New build");
  const may = useMay("submit");
  const [search] = useSearchParams();
  const [, go] = useLocation();
  const [form, setForm] = useState<Form>({
    url: search.get("url") ?? "",
    what: search.get("ref") ?? search.get("commit") ?? "",
    toolchains: [],
    steps: "",
    packages: "",
    queue: "",
  });
  const toolchains = useQuery({
    queryKey: ["toolchains"],
    queryFn: () => value(client.GET("/api/v1/toolchains")),
  });
  const { onSubmit, isBusy, refused } = useSubmit(async () => {
    const build = await value(client.POST("/api/v1/builds", { body: submission(form) }));
    go(`/builds/${build.id}`);
  });

  const ticked = {
    chosen: form.toolchains,
    onChange: (toolchains: string[]) => setForm({ ...form, toolchains }),
  };
  if (!may) {
    return (
      <Empty title="This needs a token that may submit builds">
        <p>
          Yours may only read. <Link href="/account">Your account</Link>
        </p>
      </Empty>
    );
  }
  return (
    <form className="panel" style={{ maxWidth: "46rem" }} onSubmit={onSubmit}>
      <h1>New build</h1>
      <p className="quiet">
        Nothing else is needed for ordinary projects: how they are built is found out from their files. A
        working tree is built from the command line, by <code>kiln build</code> in it.
      </p>
      <label className="field">
        <span>Repository</span>
        <input
          type="text"
          required
          placeholder="https://git.example.org/zlib.git"
          value={form.url}
          onChange={(event) => setForm({ ...form, url: event.target.value })}
        />
      </label>
      <label className="field">
        <span>Branch, tag or commit</span>
        <input
          type="text"
          value={form.what}
          onChange={(event) => setForm({ ...form, what: event.target.value })}
        />
      </label>
      <small className="help">The repository's own default branch, unless you say otherwise.</small>
      <fieldset>
        <legend>Toolchains</legend>
        <Loaded of={toolchains}>
          {(data) => (
            <>
              <Ticks
                names={data.items
                  .filter((toolchain) => toolchain.agents.length > 0)
                  .map((toolchain) => toolchain.name)}
                {...ticked}
              />
              {data.items.some((toolchain) => toolchain.agents.length === 0) ? (
                <details>
                  <summary className="quiet">Those that no agent has yet</summary>
                  <Ticks
                    names={data.items
                      .filter((toolchain) => toolchain.agents.length === 0)
                      .map((toolchain) => toolchain.name)}
                    {...ticked}
                  />
                </details>
              ) : null}
            </>
          )}
        </Loaded>
        <small>None ticked: those that the repository's .kiln.toml names, else the server's default.</small>
      </fieldset>
      <details>
        <summary>Steps, packages, queue</summary>
        <label className="field">
          <span>Steps</span>
          <textarea
            value={form.steps}
            placeholder={"./configure\nmake -j\nmake check"}
            onChange={(event) => setForm({ ...form, steps: event.target.value })}
          />
        </label>
        <small className="help">One command a line, in place of what kiln finds out.</small>
        <label className="field">
          <span>Debian packages</span>
          <input
            type="text"
            value={form.packages}
            placeholder="libssl-dev zlib1g-dev"
            onChange={(event) => setForm({ ...form, packages: event.target.value })}
          />
        </label>
        <label className="field">
          <span>Queue</span>
          <input
            type="text"
            value={form.queue}
            placeholder="default"
            onChange={(event) => setForm({ ...form, queue: event.target.value })}
          />
        </label>
      </details>
      {refused}
      <button className="first" type="submit" disabled={isBusy || form.url.trim() === ""}>
        {isBusy ? "Asking the repository …" : "Build"}
      </button>
    </form>
  );
}
