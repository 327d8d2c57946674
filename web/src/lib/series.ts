// What charts draw, worked out.

import type { History } from "./api";

type Past = History["builds"][number]["jobs"][number];
/** A figure of a job, or none where it was not measured. */
export type Figure = (job: Past) => number | null | undefined;

/** The lines of a chart: a number for each build, or none. */
export function series(
  history: History,
  toolchains: string[],
  of: Figure,
  onlySuccess: boolean,
): (number | null)[][] {
  return toolchains.map((toolchain) =>
    history.builds.map((build) => {
      const job = build.jobs.find((past) => past.toolchain === toolchain);
      // How long a failure took says nothing of how long it takes to build.
      if (!job || (onlySuccess && job.outcome !== "success")) return null;
      return of(job) ?? null;
    }),
  );
}
