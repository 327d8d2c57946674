// The page served by another web server of the same site, as `VITE_API_HOSTNAME` and `web.origins` let it.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server as Http } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { expect, test } from "@playwright/test";
import { Agent } from "./agent";
import { Repo, Server } from "./server";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

/** The plainest web server there is: files, and the page for everything else. */
function files(folder: string): Promise<Http> {
  const http = createServer((request, response) => {
    const path = join(folder, new URL(request.url ?? "/", "http://x").pathname);
    const file = extname(path) !== "" && existsSync(path) ? path : join(folder, "index.html");
    response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream");
    response.end(readFileSync(file));
  });
  return new Promise((done) => http.listen(0, "127.0.0.1", () => done(http)));
}

test("from another origin of the same site: sign in, watch, and nothing for origins that are not listed", async ({
  page,
}) => {
  test.setTimeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), "kiln-page-"));
  const [ours, other] = [await files(folder), await files(folder)];
  const at = (http: Http) => `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const server = await Server.start({ withAgent: false, env: { KILN_WEB_ORIGINS: at(ours) } });
  const agent = await Agent.start(server);
  try {
    execFileSync(
      "npx",
      ["--no-install", "vite", "build", "--outDir", folder, "--emptyOutDir", "--logLevel", "error"],
      {
        cwd: join(import.meta.dirname, ".."),
        env: { ...process.env, VITE_API_HOSTNAME: server.base },
      },
    );
    const said: string[] = [];
    page.on("console", (message) => {
      if (/Content Security Policy|CORS|Trusted/.test(message.text())) said.push(message.text());
    });
    await page.goto(at(ours));
    await page.getByLabel("Token").fill(server.token());
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByRole("heading", { name: "Nothing was built yet" })).toBeVisible();
    const repo = new Repo(server, "app");
    repo.commit({ "main.c": "int x;\n" });
    await server.api("POST", "builds", { source: { git: { url: repo.url } }, toolchains: ["gcc:14"] });
    const job = await agent.job();
    await job.start();
    await page.getByRole("link", { name: "Scripted" }).click();
    await page
      .getByRole("row", { name: /gcc:14/ })
      .getByRole("link")
      .click();
    await job.write("from elsewhere\n");
    await expect(page.locator(".log-view")).toContainText("from elsewhere");
    await page.getByRole("button", { name: "Cancel" }).click();
    await expect.poll(() => job.isCancelled()).toBe(true);
    await job.finish({ failed: "cancelled" });
    await expect(page.locator(".head .state")).toHaveText("cancelled");
    expect(said).toEqual([]);

    await page.goto(at(other));
    await expect(page.getByRole("alert")).toContainText("cannot be reached");
    expect(said.join()).toContain("CORS");
  } finally {
    await agent.stop();
    await server.end();
    ours.close();
    other.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
