import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import type { ReactNode } from "react";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Build, History, JobSummary } from "../lib/api";
import { series } from "../lib/series";
import { Act, State, stateOf, Time, useMay, WhoContext } from "../ui";
import { BuildTable } from "./builds";
import { newestLegs } from "./commit";
import { quoted } from "./job";
import { submission } from "./new";

const job = (more: Partial<JobSummary>): JobSummary =>
  ({
    id: "J1",
    kind: "leg",
    toolchain: "gcc:14",
    variant: "default",
    retried: false,
    state: "finished",
    outcome: "success",
    message: "",
    cancel_requested: false,
    attempt: 1,
    created_at: "2026-11-27T12:00:00.000Z",
    ...more,
  }) as JobSummary;

const build = (more: Partial<Build>): Build =>
  ({
    id: "B1",
    commit: "0123456789abcdef0123456789abcdef01234567",
    source: { url: "https://git.example.org/zlib.git", ref: "refs/heads/main" },
    state: "finished",
    outcome: "success",
    trigger: "manual",
    created_by: "user:ada",
    created_at: "2026-11-27T12:00:00.000Z",
    queue: "default",
    priority: 0,
    labels: {},
    plan: job({ id: "P1", kind: "plan", toolchain: undefined }),
    jobs: [job({})],
    ...more,
  }) as Build;

const framed = (children: ReactNode) =>
  render(<QueryClientProvider client={new QueryClient()}>{children}</QueryClientProvider>);

afterEach(() => vi.unstubAllGlobals());

describe("views", () => {
  it("show what a person wrote as text", () => {
    const text = "<img src=x onerror=alert(1)>";
    const { container } = framed(
      <BuildTable
        builds={[
          build({ commit_info: { author: text, subject: text, committed_at: "2026-11-27T12:00:00Z" } }),
        ]}
      />,
    );
    expect(container.querySelector("img")).toBeNull();
    expect(screen.getByText(text)).toBeTruthy();
  });

  it("have a line for each build, with the newest job of each leg", () => {
    const jobs = [
      job({ id: "old", outcome: "failure", retried: true }),
      job({ id: "new" }),
      job({ id: "c", toolchain: "clang:19", state: "running", outcome: undefined }),
    ];
    framed(<BuildTable builds={[build({ jobs, state: "running", outcome: undefined })]} />);
    expect(screen.getAllByRole("row")).toHaveLength(2);
    const legs = screen.getAllByRole("link").filter((link) => link.className === "leg");
    expect(legs.map((leg) => leg.getAttribute("href"))).toEqual(["/jobs/new", "/jobs/c"]);
  });

  it("say one word for where something is", () => {
    expect(stateOf({ state: "running" })).toBe("running");
    expect(stateOf({ state: "finished", outcome: "timeout" })).toBe("timeout");
    render(<State is="failure" />);
    expect(screen.getByText("failure").className).toContain("is-failure");
  });

  it("give the exact time with the relative one", () => {
    render(<Time at="2026-11-27T12:00:00.000Z" />);
    const time = document.querySelector("time");
    expect(time?.getAttribute("datetime")).toBe("2026-11-27T12:00:00.000Z");
    expect(time?.title).toMatch(/^2026-11-27 /);
  });

  it("offer only what one may do", () => {
    const May = () => <>{["read", "submit", "admin"].filter((role) => useMay(role as "read")).join(" ")}</>;
    const { container } = render(
      <WhoContext.Provider value={{ who: "user:ada", role: "submit" }}>
        <May />
      </WhoContext.Provider>,
    );
    expect(container.textContent).toBe("read submit");
  });

  it("ask before what cannot be undone, and say what went wrong", async () => {
    const run = vi.fn().mockRejectedValue(new Error("the server is full"));
    framed(
      <Act touches={[]} run={run} confirm="It goes for good.">
        Remove
      </Act>,
    );
    await userEvent.click(screen.getByRole("button", { name: "Remove" }));
    expect(run).not.toHaveBeenCalled();
    expect(screen.getByText("It goes for good.")).toBeTruthy();
    await userEvent.click(screen.getAllByText("Remove").at(-1) as HTMLElement);
    await waitFor(() => expect(screen.getByText("the server is full")).toBeTruthy());
    expect(run).toHaveBeenCalledTimes(1);
  });
});

describe("what pages work out", () => {
  it("the newest job of each leg of a commit, over all of its builds", () => {
    const legs = newestLegs([
      build({ id: "B2", jobs: [job({ id: "a", outcome: "failure" })] }),
      build({
        id: "B1",
        jobs: [
          job({ id: "b" }),
          job({ id: "c", toolchain: "gcc:9" }),
          job({ id: "d", toolchain: "clang:19", retried: true }),
        ],
      }),
    ]);
    expect(legs.map((leg) => leg.id)).toEqual(["c", "a"]);
  });

  it("the request of a form", () => {
    const form = { url: " https://x/y.git ", what: "", toolchains: [], steps: "", packages: "", queue: "" };
    expect(submission(form)).toEqual({ source: { git: { url: "https://x/y.git" } } });
    const commit = "0123456789ABCDEF0123456789abcdef01234567";
    expect(submission({ ...form, what: commit }).source).toEqual({
      git: { url: "https://x/y.git", commit: commit.toLowerCase() },
    });
    expect(
      submission({
        ...form,
        what: "v1.2",
        toolchains: ["gcc:14"],
        steps: "./configure\n\n make -j2 \n",
        packages: "zlib1g-dev, libssl-dev",
        queue: "slow",
      }),
    ).toEqual({
      source: { git: { url: "https://x/y.git", ref: "v1.2" } },
      toolchains: ["gcc:14"],
      steps: [
        { name: "step-1", run: "./configure" },
        { name: "step-2", run: "make -j2" },
      ],
      packages: ["zlib1g-dev", "libssl-dev"],
      queue: "slow",
    });
  });

  it("lines of charts, without what was not measured", () => {
    const past = (toolchain: string, more: object) => ({
      job: "J",
      toolchain,
      variant: "default",
      outcome: "success",
      ...more,
    });
    const history = {
      builds: [
        { jobs: [past("gcc:14", { run_millis: 10 }), past("clang:19", { run_millis: 20 })] },
        { jobs: [past("gcc:14", { run_millis: 99, outcome: "failure", warnings: 3 })] },
        { jobs: [past("gcc:14", { run_millis: 12, warnings: 0 })] },
      ],
    } as unknown as History;
    expect(series(history, ["gcc:14", "clang:19"], (job) => job.run_millis, true)).toEqual([
      [10, null, 12],
      [20, null, null],
    ]);
    expect(series(history, ["gcc:14"], (job) => job.warnings, false)).toEqual([[null, 3, 0]]);
  });

  it("words of a shell", () => {
    expect(["-O2", "a b", "it's", "$(x)", ""].map(quoted)).toEqual([
      "-O2",
      "'a b'",
      "'it'\\''s'",
      "'$(x)'",
      "''",
    ]);
  });
});
