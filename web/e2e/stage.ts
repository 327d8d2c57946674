// What many tests begin with: a server whose jobs are scripted, and a repository for it.

import { test } from "@playwright/test";
import { Agent } from "./agent";
import { Repo, Server } from "./server";

export interface Stage {
  server: Server;
  agent: Agent;
  repo: Repo;
}

/** Makes it before the tests of a file and takes it away after them. */
export function stage(options: { env?: Record<string, string>; toolchains?: string[] } = {}): Stage {
  const made = {} as Stage;
  test.beforeAll(async () => {
    made.server = await Server.start({ withAgent: false, env: options.env });
    made.agent = await Agent.start(made.server, "scripted", options.toolchains);
    made.repo = new Repo(made.server, "app");
    made.repo.commit({ "main.c": "int main(void) { return 0; }\n" }, "First");
  });
  test.afterAll(async () => {
    await made.agent?.stop();
    await made.server?.end();
  });
  return made;
}
