// Whatever a repository, a build or a person says is text. Sixty texts that would be more, in every field.

import { expect, type Page, test } from "@playwright/test";
import { Agent, type ScriptedJob } from "./agent";
import { foreign, HOSTILE, known } from "./hostile";
import { Repo, Server, signIn } from "./server";

const all = HOSTILE.join(" ");

async function isClean(page: Page, where: string) {
  await page.waitForTimeout(100);
  expect(await page.evaluate(foreign, known), where).toEqual([]);
  expect(await page.evaluate(() => "__ran" in window), `${where}: a script ran`).toBe(false);
}

test("scripted: nothing that an agent, a commit or a person says is markup", async ({ page }) => {
  test.setTimeout(400_000);
  expect(HOSTILE.length).toBeGreaterThanOrEqual(60);
  const server = await Server.start({ withAgent: false });
  const agent = await Agent.start(server, "scripted");
  try {
    const violations: string[] = [];
    page.on("console", (message) => {
      if (/Content Security Policy|Trusted/.test(message.text())) violations.push(message.text());
    });
    page.on("dialog", (dialog) => {
      violations.push(`a dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    const repo = new Repo(server, "x");
    const commit = repo.commit({ "main.c": "int x;\n" }, "x");
    // Names of branches: what git lets through.
    const branches = HOSTILE.filter((_, at) => {
      try {
        repo.git("update-ref", `refs/heads/${HOSTILE[at]?.replaceAll(/[\s~^:?*[\\]/g, "_")}`, commit);
        return true;
      } catch {
        return false;
      }
    });
    expect(branches.length).toBeGreaterThan(30);
    await server.api("POST", "projects", { name: "x", url: repo.url });
    await server.api("PUT", "projects/x/watch", {
      ...(await watchRules(server)),
      branches: ["nothing-is-built"],
    });
    await server.api("POST", "projects/x/check");

    // A build for each text, which is its commit's message and author and everything else it can say.
    const builds: { build: string; job: ScriptedJob; text: string }[] = [];
    for (const text of HOSTILE) {
      agent.info = { ...agent.info, message: text, author: text };
      const { id } = await server.api("POST", "builds", {
        source: { git: { url: repo.url, ref: "main" } },
        toolchains: ["gcc:14"],
        labels: { text },
        steps: [{ name: "all", run: text }],
      });
      const job = await agent.job();
      await agent.post(`jobs/${job.id}/attempts/${job.attempt}/start`, {
        sandbox: {
          image: text,
          recipe_digest: text,
          compiler: text,
          profile: text,
          options: [text],
          environment: { TEXT: text },
          step_count: 1,
        },
      });
      await job.stepBegins("all", text);
      await job.write(`${text}\n\x1b[31m${text}\x1b[0m\n\x1b]8;;${text}\x1b\\link\x1b]8;;\x1b\\\n`);
      await job.write(`${text}\n`, "stderr");
      await job.stepEnds(1);
      await job.finish(
        { failed: "compile" },
        {
          message: text,
          diagnostics: {
            errors: 1,
            warnings: 0,
            first_error: {
              file: text,
              line: 1,
              column: 1,
              severity: "error",
              message: text,
              flag: text,
              excerpt: [{ line: 1, text }],
            },
          },
        },
      );
      builds.push({ build: id, job, text });
    }
    await server.api("POST", "queues/default/pause", { reason: all.slice(0, 150) });
    const { items } = await server.api("GET", "agents");
    await server.api("POST", `agents/${items[0].id}/hold`, { reason: all.slice(0, 150) });

    await signIn(page, server);
    await page.goto(server.base);
    await expect(page.locator("table.builds tbody tr").first()).toContainText("zalgo");
    const older = page.getByRole("button", { name: "Older builds" });
    for (const count of [60, HOSTILE.length]) {
      await older.click();
      await expect(page.locator("table.builds tbody tr")).toHaveCount(count);
    }
    await expect(older).toHaveCount(0);
    await expect(page.locator("table.builds tbody tr")).toHaveCount(HOSTILE.length);
    for (const text of HOSTILE)
      await expect(page.locator("a.subject").getByText(text, { exact: true }).first()).toBeAttached();
    await isClean(page, "builds");
    for (const path of [
      "/projects",
      "/projects/x",
      "/queues",
      "/toolchains",
      `/commits/${commit}`,
      "/new",
      "/account",
    ]) {
      await page.goto(server.base + path);
      await page.locator("main h1").first().waitFor();
      await isClean(page, path);
    }
    for (const [at, { build, job, text }] of builds.entries()) {
      await page.goto(`${server.base}/jobs/${job.id}`);
      await expect(page.locator(".log-foot")).toContainText("4 lines");
      await expect(page.locator(".says").first()).toContainText(text.trim().split(/\s/)[0] ?? "");
      await isClean(page, `job: ${text}`);
      if (at % 8 !== 0) continue;
      await page.getByLabel("Search the log").fill(text);
      await isClean(page, `search: ${text}`);
      await page.goto(`${server.base}/builds/${build}`);
      await page.getByRole("row", { name: /gcc:14/ }).waitFor();
      await isClean(page, `build: ${text}`);
      // What stands in the address is text, too.
      for (const path of [
        `/?branch=${encodeURIComponent(text)}`,
        `/?toolchain=${encodeURIComponent(text)}`,
        `/new?url=${encodeURIComponent(text)}`,
        `/jobs/${job.id}#${encodeURIComponent(text)}`,
        `/projects/${encodeURIComponent(text)}`,
      ]) {
        await page.goto(server.base + path);
        await page.locator("main h1, main h2, main [role=alert]").first().waitFor();
        await isClean(page, path);
      }
    }
    expect(violations).toEqual([]);
  } finally {
    await agent.stop();
    await server.end();
  }
});

async function watchRules(server: Server) {
  await server.api("PUT", "projects/x/watch", {});
  return (await server.api("GET", "projects/x/watch")).rules;
}

test("real: files may be called anything, and come as files", async ({ page }) => {
  const server = await Server.start({ withAgent: true });
  try {
    const repo = new Repo(server, "names");
    const names = HOSTILE.map((text, at) => `${at} ${text}`.replaceAll("/", "_").slice(0, 80));
    const script = names
      .map((name) => `printf '%s' '<script>window.__ran=1</script>' > 'out/${name.replaceAll("'", "'\\''")}'`)
      .join("\n");
    repo.commit(
      {
        "main.c": "int main(void) { return 0; }\n",
        "make.sh": `mkdir out\n${script}\ncp out/0* page.html\n`,
        Makefile: "all:\n\tsh make.sh\n",
        ".kiln.toml": '[artifacts]\ninclude = ["out/**", "page.html"]\n',
      },
      "Names",
    );
    const { id } = await server.api("POST", "builds", {
      source: { git: { url: repo.url } },
      toolchains: ["gcc:14"],
    });
    const { outcome, jobs } = await server.finished(id);
    expect(outcome, server.output()).toBe("success");
    await signIn(page, server);
    await page.goto(`${server.base}/jobs/${jobs[0].id}`);
    const showFiles = page.getByRole("button", { name: "Show the files" });
    await showFiles.click();
    const kept = await server.api("GET", `jobs/${jobs[0].id}/manifest`);
    expect(kept.files.length).toBeGreaterThan(55);
    await expect(page.getByRole("link", { name: "page.html" })).toBeVisible();
    await isClean(page, "artifacts");
    const file = await page.request.get(`${server.base}/api/v1/jobs/${jobs[0].id}/artifacts/page.html`);
    expect(file.headers()).toMatchObject({
      "x-content-type-options": "nosniff",
      "content-type": "application/octet-stream",
    });
    expect(file.headers()["content-disposition"]).toMatch(/^attachment/);
    expect(file.headers()["content-security-policy"]).toContain("sandbox");
    // The raw log is text, whatever is in it.
    const log = await page.request.get(`${server.base}/api/v1/jobs/${jobs[0].id}/log`);
    expect(log.headers()).toMatchObject({
      "x-content-type-options": "nosniff",
      "content-type": "text/plain; charset=utf-8",
    });
    // And each of the files can be had by its link.
    for (const { path } of kept.files.slice(0, 8)) {
      const link = page.locator(`main a[download]`).filter({ hasText: path }).first();
      const href = await link.getAttribute("href");
      expect(await (await page.request.get(server.base + href)).text()).toBe(
        "<script>window.__ran=1</script>",
      );
    }
  } finally {
    await server.end();
  }
});
