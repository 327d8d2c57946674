// A real server with a data directory of its own, and repositories for it to build.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Page } from "@playwright/test";

const ROOT = resolve(import.meta.dirname, "../..");
const KILN =
  process.env.KILN_TEST_BIN ?? join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "debug/kiln");

/** A port that nothing listens on just now. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

export class Server {
  base = "";
  #port = 0;
  #child: ChildProcess | undefined;
  #folder = mkdtempSync(join(tmpdir(), "kiln-web-"));
  #options: { withAgent: boolean; env?: Record<string, string> };
  #output = "";

  constructor(options: { withAgent: boolean; env?: Record<string, string> }) {
    this.#options = options;
  }

  static async start(options: { withAgent: boolean; env?: Record<string, string> }): Promise<Server> {
    const server = new Server(options);
    await server.start();
    return server;
  }

  async start() {
    if (this.#port === 0) this.#port = await freePort();
    this.base = `http://127.0.0.1:${this.#port}`;
    const args = ["serve", "--listen", `127.0.0.1:${this.#port}`, "--data", join(this.#folder, "data")];
    if (!this.#options.withAgent) args.push("--no-agent");
    this.#child = spawn(KILN, args, {
      cwd: this.#folder,
      env: {
        ...process.env,
        KILN_SOURCE_SCHEMES: "file,https",
        KILN_SOURCE_PRIVATE: "allow",
        KILN_SERVER_MIN_FREE_BYTES: "0",
        ...this.#options.env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const note = (data: Buffer) => {
      this.#output = (this.#output + data.toString()).slice(-20_000);
    };
    this.#child.stdout?.on("data", note);
    this.#child.stderr?.on("data", note);
    for (let tries = 0; ; tries += 1) {
      const answer = await fetch(`${this.base}/readyz`).catch(() => undefined);
      if (answer?.ok) return;
      if (tries > 300 || this.#child.exitCode !== null)
        throw new Error(`the server did not start:\n${this.output()}`);
      await new Promise((done) => setTimeout(done, 100));
    }
  }

  /** Ends the process; with SIGKILL as if the machine had failed. */
  async stop(signal: NodeJS.Signals = "SIGTERM") {
    const child = this.#child;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((done) => child.once("exit", done));
    child.kill(signal);
    await ended;
  }

  /** Ends it and removes everything of it. */
  async end() {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  token(): string {
    return readFileSync(join(this.#folder, "data/admin-token"), "utf8").trim();
  }

  enrollment(): string {
    return readFileSync(join(this.#folder, "data/enrollment-token"), "utf8").trim();
  }

  output(): string {
    return this.#output.slice(-2_000);
  }

  /** A request as the administrator. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they expect
  async api<T = any>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await fetch(`${this.base}/api/v1/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token()}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  /** A token for somebody with this role. */
  async tokenFor(role: string, name: string): Promise<string> {
    return (await this.api("POST", "tokens", { name, owner: name, role })).token;
  }

  /** Waits until a build has ended. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they expect
  async finished(build: string): Promise<any> {
    for (let tries = 0; tries < 600; tries += 1) {
      const shown = await this.api("GET", `builds/${build}`);
      if (shown.state === "finished") return shown;
      await new Promise((done) => setTimeout(done, 100));
    }
    throw new Error(`build ${build} does not end:\n${this.output()}`);
  }

  /** A folder below the server's own, which goes with it. */
  folder(name: string): string {
    const path = join(this.#folder, name);
    mkdirSync(path, { recursive: true });
    return path;
  }
}

/** A git repository on this machine's disk. */
export class Repo {
  #path: string;
  constructor(server: Server, name: string) {
    this.#path = server.folder(`repositories/${name}`);
    this.git("init", "--quiet", "--initial-branch=main");
  }

  git(...args: string[]): string {
    const identity = [
      "-c",
      "user.name=Ada L.",
      "-c",
      "user.email=ada@example.org",
      "-c",
      "commit.gpgsign=false",
    ];
    return execFileSync("git", [...identity, ...args], {
      cwd: this.#path,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  }

  /** Commits these files; the commit. */
  commit(files: Record<string, string>, message = "A commit", author = "Ada L."): string {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.#path, name)), { recursive: true });
      writeFileSync(join(this.#path, name), text);
    }
    this.git("add", "--all");
    this.git("commit", "--quiet", "--allow-empty", `--author=${author} <a@example.org>`, "-m", message);
    return this.git("rev-parse", "HEAD");
  }

  get url(): string {
    return `file://${this.#path}`;
  }
}

/** Signs in with a token, as a person does. */
export async function signIn(page: Page, server: Server, token = server.token()) {
  await page.goto(server.base);
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("navigation", { name: "Places" }).waitFor();
}
