// An agent that builds nothing: tests say line by line what its jobs write and how they end. It speaks the
// agents' own protocol with the real server.

import type { Server } from "./server";

// biome-ignore lint/suspicious/noExplicitAny: the messages are the server's
type Json = any;

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** An id as agents make them for claims. */
function ulid(): string {
  let time = Date.now();
  let id = "";
  for (let i = 0; i < 10; i += 1) {
    id = ALPHABET[time % 32] + id;
    time = Math.floor(time / 32);
  }
  for (let i = 0; i < 16; i += 1) id += ALPHABET[Math.floor(Math.random() * 32)];
  return id;
}

export class Agent {
  #server: Server;
  #token = "";
  #name: string;
  #ended = false;
  #loop: Promise<void> | undefined;
  #waiting: ((job: ScriptedJob) => void)[] = [];
  #claimed: ScriptedJob[] = [];
  /** What plans say of the commit. */
  info: Json = {
    author: "Ada L.",
    email: "ada@example.org",
    message: "Scripted",
    committed_at: new Date(0).toISOString(),
    changed_paths: [],
  };
  toolchains: string[];

  constructor(server: Server, name = "scripted", toolchains = ["gcc:14", "clang:19"]) {
    this.#server = server;
    this.#name = name;
    this.toolchains = toolchains;
  }

  static async start(server: Server, name?: string, toolchains?: string[]): Promise<Agent> {
    const agent = new Agent(server, name, toolchains);
    const answer = await fetch(`${server.base}/agent/v1/register`, {
      method: "POST",
      headers: { authorization: `Bearer ${server.enrollment()}`, "content-type": "application/json" },
      body: JSON.stringify({ name: agent.#name, protocol: 3, version: "0.1.0", process: ulid() }),
    });
    if (!answer.ok) throw new Error(await answer.text());
    agent.#token = ((await answer.json()) as { token: string }).token;
    agent.#loop = agent.#run();
    return agent;
  }

  async stop() {
    this.#ended = true;
    await this.#loop;
  }

  /** The next job that is claimed. */
  async job(): Promise<ScriptedJob> {
    const claimed = this.#claimed.shift();
    if (claimed) return claimed;
    return new Promise((done) => this.#waiting.push(done));
  }

  /** The next job of a build; others succeed. */
  async jobOf(build: string): Promise<ScriptedJob> {
    for (;;) {
      const job = await this.job();
      if (job.build === build) return job;
      await job.finish("success");
    }
  }

  async post(path: string, body: unknown): Promise<Json> {
    const answer = await fetch(`${this.#server.base}/agent/v1/${path}`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${this.#token}`,
        "content-type": typeof body === "string" ? "application/octet-stream" : "application/json",
      },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  async #run() {
    while (!this.#ended) {
      try {
        const claimed = await this.post("claim", {
          claim: ulid(),
          wait_ms: 300,
          protocol: 3,
          status: {
            workers: 64,
            busy: 0,
            arch: "x86_64",
            cpus: 8,
            memory_bytes: 64 * 2 ** 30,
            engine: "scripted",
            version: "0.1.0",
            toolchains: this.toolchains.map((name) => ({
              name,
              image: `sha256:${"ab".repeat(32)}`,
              recipe_digest: "r",
              compiler: `${name} (scripted)`,
            })),
            labels: [],
          },
        });
        if (!claimed) continue;
        const job = new ScriptedJob(this, claimed);
        if (claimed.work.kind === "plan") {
          await job.finish("success", { plan: { info: this.info, recipe_file: null, no_choice: null } });
        } else {
          const waiting = this.#waiting.shift();
          if (waiting) waiting(job);
          else this.#claimed.push(job);
        }
      } catch {
        // The server may be away for a while.
        await new Promise((done) => setTimeout(done, 50));
      }
    }
  }
}

/** A job of a scripted agent. */
export class ScriptedJob {
  id: string;
  build: string;
  toolchain: string;
  attempt: number;
  #agent: Agent;
  #seq = 0;
  #offset = 0;
  #step: number | undefined;

  constructor(agent: Agent, claimed: Json) {
    this.#agent = agent;
    this.id = claimed.job;
    this.build = claimed.build;
    this.attempt = claimed.attempt;
    this.toolchain = claimed.work.toolchain ?? "";
  }

  get #path() {
    return `jobs/${this.id}/attempts/${this.attempt}`;
  }

  #header(kind: Json): string {
    const header = {
      seq: this.#seq,
      offset: this.#offset,
      at: new Date().toISOString(),
      ...(this.#step === undefined ? {} : { step: this.#step }),
      ...kind,
    };
    this.#seq += 1;
    return `${JSON.stringify(header)}\n`;
  }

  async start(steps = 1) {
    await this.#agent.post(`${this.#path}/start`, {
      sandbox: {
        image: `sha256:${"ab".repeat(32)}`,
        recipe_digest: "r",
        compiler: `${this.toolchain} (scripted)`,
        profile: "scripted/none",
        options: [],
        environment: {},
        step_count: steps,
      },
    });
  }

  /** Writes to a stream; for the server it is what a build wrote. */
  async write(text: string, stream = "stdout") {
    let frames = "";
    // A frame has at most 64 KiB, and a request 1 MiB.
    for (let at = 0; at < text.length; at += 60_000) {
      const part = text.slice(at, at + 60_000);
      const len = Buffer.byteLength(part);
      frames += this.#header({ kind: "data", stream, len }) + part;
      this.#offset += len;
      if (frames.length > 600_000) {
        await this.#agent.post(`${this.#path}/log`, frames);
        frames = "";
      }
    }
    if (frames !== "") await this.#agent.post(`${this.#path}/log`, frames);
  }

  async stepBegins(name: string, run: string, kind = "command") {
    this.#step = this.#step === undefined ? 0 : this.#step + 1;
    await this.#agent.post(
      `${this.#path}/log`,
      this.#header({ kind: "step_start", name, step_kind: kind, run }),
    );
  }

  async stepEnds(exitCode: number) {
    await this.#agent.post(`${this.#path}/log`, this.#header({ kind: "step_end", exit_code: exitCode }));
  }

  /** Whether somebody asked for it to end. */
  async isCancelled(): Promise<boolean> {
    return (await this.#agent.post(`${this.#path}/renew`, { wait_ms: 0 })).cancel;
  }

  async finish(verdict: "success" | { failed: string }, more: Json = {}) {
    await this.#agent.post(`${this.#path}/finish`, {
      verdict: verdict === "success" ? { verdict: "success" } : { verdict: "failed", cause: verdict.failed },
      message: verdict === "success" ? "" : `scripted: ${verdict.failed}`,
      log_end: { seq: this.#seq, offset: this.#offset },
      usage: {
        peak_memory_bytes: 50_000_000,
        cpu_millis: 900,
        source_millis: 5,
        sandbox_millis: 90,
        run_millis: 1200,
        collect_millis: 7,
        cache_hits: 0,
        cache_misses: 0,
      },
      diagnostics: null,
      artifacts: null,
      plan: null,
      ...more,
    });
  }
}
