// The page with real jobs in real containers: everything between a repository and a file on the disk.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "@playwright/test";
import { Repo, Server, signIn } from "./server";

let server: Server;
let repo: Repo;

test.beforeAll(async () => {
  server = await Server.start({ withAgent: true });
  repo = new Repo(server, "hello");
  repo.commit(
    {
      "main.c": '#include <stdio.h>\nint main(void) { int unused; puts("hello"); return 0; }\n',
      Makefile: "app: main.c\n\t$(CC) -Wall -o $@ main.c\n",
      ".kiln.toml": 'toolchains = ["gcc:14", "clang:19"]\n',
    },
    "Say hello",
  );
});
test.afterAll(async () => {
  await server?.end();
});

test("a repository becomes a program: submit, watch, compare, download, and the hash is right", async ({
  page,
}) => {
  await signIn(page, server);
  await page.getByRole("link", { name: "New build" }).click();
  await page.getByLabel("Repository", { exact: true }).fill(repo.url);
  await page.getByLabel("Branch, tag or commit").fill("main");
  await page.getByRole("button", { name: "Build" }).click();
  await expect(page.getByRole("heading", { name: "Say hello" })).toBeVisible();
  const gcc = page.getByRole("row", { name: /gcc:14/ });
  await expect(gcc).toContainText("success", { timeout: 60_000 });
  await expect(page.getByRole("row", { name: /clang:19/ })).toContainText("success", { timeout: 60_000 });

  // Side by side.
  await page
    .getByRole("link", { name: /^[0-9a-f]{12}$/ })
    .first()
    .click();
  const compared = page.getByRole("heading", { name: "Toolchains side by side" }).locator("..");
  await expect(compared.getByRole("row", { name: /gcc:14/ })).toContainText("gcc (Debian 14");
  await expect(compared.getByRole("row", { name: /clang:19/ })).toContainText("clang version 19");
  // Both warn of the variable that nobody uses.
  await expect(
    compared
      .getByRole("row", { name: /gcc:14/ })
      .getByRole("cell")
      .nth(4),
  ).toHaveText("1");

  // The log, and the program that was kept.
  await compared.getByRole("link", { name: "gcc:14", exact: true }).click();
  await expect(page.locator(".log-view")).toContainText("unused variable");
  await expect(page.locator(".row.step").filter({ hasText: "compile" })).toContainText("✓");
  const row = page.getByRole("row", { name: /app/ }).last();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    row.getByRole("link", { name: "app" }).click(),
  ]);
  expect(download.suggestedFilename()).toBe("app");
  const bytes = readFileSync(await download.path());
  const hash = createHash("sha256").update(bytes).digest("hex");
  expect(await row.getByTitle(/^[0-9a-f]{64}$/).getAttribute("title")).toBe(hash);
  expect(bytes.subarray(1, 4).toString()).toBe("ELF");

  // All of it, and the log as it was written.
  const [archive] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: "Download all" }).click(),
  ]);
  expect(
    readFileSync(await archive.path())
      .subarray(0, 2)
      .toString("hex"),
  ).toBe("1f8b");
  const [raw] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: "Raw" }).click(),
  ]);
  expect(readFileSync(await raw.path(), "utf8")).toContain("unused variable");

  // How to do the same without kiln.
  await page.getByText("Run this by hand").click();
  await expect(page.locator("pre.code").filter({ hasText: "docker run" })).toContainText("--network=none");
});

test("what real builds measured is drawn: time, size and warnings", async ({ page }) => {
  await server.api("POST", "projects", { name: "hello", url: repo.url });
  for (let i = 0; i < 2; i += 1) {
    const { id } = await server.api("POST", "builds", {
      source: { git: { url: repo.url } },
      toolchains: ["gcc:14"],
    });
    expect((await server.finished(id)).outcome).toBe("success");
  }
  await signIn(page, server);
  await page.goto(`${server.base}/projects/hello`);
  await expect(page.locator(".chart canvas")).toHaveCount(3);
  await expect(page.getByRole("figure").filter({ hasText: "Build time" })).toContainText(
    /gcc:14: \d+ ms|gcc:14: [\d.]+ s/,
  );
  await expect(page.getByRole("figure").filter({ hasText: "Size of artifacts" })).toContainText(
    /gcc:14: [\d.]+ KiB/,
  );
  await expect(page.getByRole("figure").filter({ hasText: "Warnings" })).toContainText("gcc:14: 1.");
  await expect(page.locator(".strip a.is-success")).toHaveCount(2);
});

test("a running job is cancelled, and tried again", async ({ page }) => {
  await signIn(page, server);
  const build = await server.api("POST", "builds", {
    source: { git: { url: repo.url } },
    toolchains: ["gcc:14"],
    steps: [{ name: "wait", run: "echo it waits; sleep 300" }],
  });
  await page.goto(`${server.base}/builds/${build.id}`);
  await page
    .getByRole("row", { name: /gcc:14/ })
    .getByRole("link", { name: "gcc:14" })
    .click();
  await expect(page.locator(".log-view")).toContainText("it waits", { timeout: 40_000 });
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(page.locator(".head .state")).toHaveText("cancelled", { timeout: 30_000 });
  await page.getByRole("button", { name: "Retry" }).click();
  await expect(page.locator(".head .state")).toHaveText(/queued|running/);
  await expect(page.locator(".log-view")).toContainText("it waits", { timeout: 40_000 });
  await page.locator(".head .quiet").getByText("Say hello").or(page.locator("h1 a")).first().click();
  await expect(page.getByRole("heading", { name: "Tried before" })).toBeVisible();
  await page.getByRole("button", { name: "Cancel", exact: true }).first().click();
  expect((await server.finished(build.id)).outcome).toBe("cancelled");
  await expect(page.locator(".head .state")).toHaveText("cancelled");
});

test("a failure is shown where it is", async ({ page }) => {
  const broken = new Repo(server, "broken");
  broken.commit(
    { "main.c": "int main(void) { return x; }\n", Makefile: "app: main.c\n\t$(CC) -o $@ main.c\n" },
    "Break it",
  );
  const { id } = await server.api("POST", "builds", {
    source: { git: { url: broken.url } },
    toolchains: ["gcc:14"],
  });
  const { jobs } = await server.finished(id);
  await signIn(page, server);
  await page.goto(`${server.base}/builds/${id}`);
  await expect(page.getByRole("row", { name: /gcc:14/ })).toContainText("compile");
  await page.goto(`${server.base}/jobs/${jobs[0].id}`);
  await expect(page.locator(".says pre")).toContainText("main.c:1:25");
  await expect(page.locator(".says pre")).toContainText(
    "'x' undeclared".replaceAll("'", "‘").replace("x‘", "x’"),
  );
  // The log opens at the error, which is marked.
  await expect(page.locator(".row.picked")).toContainText("error:");
});
