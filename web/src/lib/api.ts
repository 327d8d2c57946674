// The server's API, typed by its own description.

import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "../schema";

type Schemas = components["schemas"];
export type Build = Schemas["Build"];
export type Job = Schemas["Job"];
export type JobSummary = Schemas["JobSummary"];
export type Attempt = Schemas["AttemptView"];
export type Outcome = Schemas["Outcome"];
export type BuildState = Schemas["BuildState"];
export type Project = Schemas["ProjectView"];
export type Watch = Schemas["WatchView"];
export type WatchRules = Schemas["WatchRules"];
export type Head = Schemas["HeadView"];
export type Delivery = Schemas["DeliveryView"];
export type Queue = Schemas["QueueView"];
export type Agent = Schemas["AgentView"];
export type Toolchain = Schemas["ToolchainView"];
export type Token = Schemas["TokenView"];
export type Who = Schemas["WhoView"];
export type Role = Schemas["Role"];
export type History = Schemas["HistoryView"];
export type SubmitBuild = Schemas["SubmitBuild"];
export type LogEvent = Schemas["LogEvent"];
export type Diagnostic = Schemas["DiagnosticView"];

/** A job's manifest, as far as the page reads it. */
export interface Manifest {
  tar_sha256: string;
  archive_bytes: number;
  files: { path: string; kind: string; size: number; mode: number; sha256: string; target?: string }[];
}

const host: string | undefined = import.meta.env.VITE_API_HOSTNAME || undefined;
/** Where the server is: here, unless the page was built to be served from elsewhere. */
export const SERVER = host ? (host.includes("://") ? host : `https://${host}`) : "";

/** The server said no. */
export class ApiError extends Error {
  status: number;
  code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
  }
}

let signedOut: () => void = () => {};
/** Says what is to be done when a request is answered that one has to sign in. */
export function onSignedOut(then: () => void) {
  signedOut = then;
}

const page: Middleware = {
  onRequest({ request }) {
    if (request.method !== "GET") request.headers.set("x-kiln-page", "1");
    return request;
  },
};

export const client = createClient<paths>({ baseUrl: SERVER, credentials: "include" });
client.use(page);

/** What an answer has, or the error that it is. */
export async function value<T>(
  answer: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  let got: { data?: T; error?: unknown; response: Response };
  try {
    got = await answer;
  } catch {
    throw new ApiError(0, "unreachable", "The server cannot be reached. It is tried again when you do.");
  }
  const { data, error, response } = got;
  if (response.ok) return data as T;
  if (response.status === 401) signedOut();
  const body = (error as { error?: { code?: string; message?: string } } | undefined)?.error;
  throw new ApiError(
    response.status,
    body?.code ?? "unknown",
    body?.message ?? `The server answered ${response.status}.`,
  );
}

/** A path of a file of a job, which may have slashes in it. */
export function artifactUrl(job: string, path: string): string {
  return `${SERVER}/api/v1/jobs/${job}/artifacts/${path.split("/").map(encodeURIComponent).join("/")}`;
}

export function archiveUrl(job: string): string {
  return `${SERVER}/api/v1/jobs/${job}/artifacts.tar.gz`;
}

export function logUrl(job: string, attempt?: number): string {
  return `${SERVER}/api/v1/jobs/${job}/log${attempt ? `?attempt=${attempt}` : ""}`;
}

/** The ref or the kind of source of a build. */
export function sourceOf(build: Pick<Build, "source">): {
  url?: string;
  ref?: string;
  upload?: string;
  base?: string;
} {
  const source = build.source as {
    url?: string;
    ref?: string | null;
    upload?: string;
    base?: { commit?: string } | null;
  };
  return {
    url: source.url,
    ref: source.ref ?? undefined,
    upload: source.upload,
    base: source.base?.commit,
  };
}

/** The commit of a build, if a repository is known where it is. */
export function isCommit(revision: string): boolean {
  return !revision.startsWith("tree-");
}

/** The newest job of each leg: those that count for the outcome. */
export function counting(jobs: JobSummary[]): JobSummary[] {
  return jobs.filter((job) => !job.retried);
}
