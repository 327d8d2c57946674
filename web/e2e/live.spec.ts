// What changes is seen as it changes, whatever happens to the connection. Jobs are scripted line by line.

import { expect, type Page, test } from "@playwright/test";
import { Agent } from "./agent";
import { signIn } from "./server";
import { stage } from "./stage";

const on = stage();

const submit = (toolchains = ["gcc:14"], more = {}) =>
  on.server.api("POST", "builds", { source: { git: { url: on.repo.url } }, toolchains, ...more });

/** The requests of a page that are streams and go on. */
function streams(page: Page) {
  const open = new Set<string>();
  let most = 0;
  page.on("request", (request) => {
    if (!/\/events$|\/log\/stream/.test(new URL(request.url()).pathname)) return;
    open.add(request.url());
    most = Math.max(most, open.size);
  });
  const gone = (request: { url(): string }) => open.delete(request.url());
  page.on("requestfinished", gone);
  page.on("requestfailed", gone);
  return { open, most: () => most };
}

test("a build appears, runs and ends in the list by itself, over one stream and without polling", async ({
  page,
}) => {
  await signIn(page, on.server);
  const seen = streams(page);
  const lists: string[] = [];
  page.on("request", (request) => {
    if (new URL(request.url()).pathname === "/api/v1/builds") lists.push(request.url());
  });
  await page.goto(on.server.base);
  await page.waitForLoadState("load");
  await page.waitForTimeout(1_500);
  const quiet = lists.length;
  await page.waitForTimeout(2_500);
  expect(lists.length, "nothing happens, nothing is asked").toBe(quiet);
  await submit();
  const row = page.locator("table.builds tbody tr").first();
  await expect(row).toContainText("Scripted");
  const job = await on.agent.job();
  await job.start();
  await expect(row.locator("td").first()).toHaveText("running");
  await job.finish("success");
  await expect(row.locator("td").first()).toHaveText("success");
  expect(seen.most()).toBe(1);
});

test("agents, queues and projects that change are seen to, whoever changes them", async ({ page }) => {
  await signIn(page, on.server);
  const seen = streams(page);
  await page.goto(`${on.server.base}/queues`);
  const row = page.getByRole("row", { name: /^newcomer/ });
  await expect(page.getByRole("row", { name: /^scripted/ })).toBeVisible();
  await expect(row).toHaveCount(0);
  const newcomer = await Agent.start(on.server, "newcomer", ["gcc:12"]);
  await expect(row).toBeVisible();
  const { items } = await on.server.api("GET", "agents");
  const { id } = items.find((agent: { name: string }) => agent.name === "newcomer");
  await on.server.api("POST", `agents/${id}/drain`, { reason: "a new kernel" });
  await expect(row).toContainText("a new kernel");
  await on.server.api("POST", "queues/default/pause", { reason: "the disk is swapped" });
  await expect(page.getByText(/: the disk is swapped/)).toBeVisible();
  await on.server.api("POST", "queues/default/resume");
  await expect(page.getByText(/: the disk is swapped/)).toHaveCount(0);
  await page.getByRole("link", { name: "Toolchains" }).click();
  await expect(page.getByRole("row", { name: /gcc:12/ })).toContainText("newcomer");
  await newcomer.stop();
  await on.server.api("DELETE", `agents/${id}?force=true`);
  await expect(page.getByRole("row", { name: /gcc:12/ })).not.toContainText("newcomer");
  await page.getByRole("link", { name: "Projects", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Projects", exact: true, level: 1 })).toBeVisible();
  await on.server.api("POST", "projects", { name: "sudden" });
  const sudden = page.getByRole("link", { name: "sudden" });
  await expect(sudden).toBeVisible();
  await on.server.api("DELETE", "projects/sudden");
  await expect(sudden).toHaveCount(0);
  expect(seen.most()).toBe(1);
});

test("a log is followed through a lost connection and a killed server, without loss or repeat", async ({
  page,
  context,
}) => {
  await signIn(page, on.server);
  const { id } = await submit();
  const job = await on.agent.job();
  await job.start();
  await page.goto(`${on.server.base}/jobs/${job.id}`);
  let written = 0;
  const lines = async (count: number) => {
    let text = "";
    for (let i = 0; i < count; i += 1) text += `line ${written++}\n`;
    await job.write(text);
  };
  await lines(10);
  await expect(page.locator(".log-view")).toContainText("line 9");
  const seen = streams(page);

  // The network goes and comes back.
  await context.setOffline(true);
  await lines(10);
  await page.waitForTimeout(300);
  await context.setOffline(false);
  await lines(10);
  await expect(page.locator(".log-view")).toContainText("line 29");

  // The server dies in the middle and is there again.
  await on.server.stop("SIGKILL");
  await expect(page.locator(".log-foot")).toContainText("Connection lost");
  await on.server.start();
  await lines(10);
  await expect(page.locator(".log-view")).toContainText("line 39", { timeout: 30_000 });
  await expect(page.locator(".log-foot")).not.toContainText("lost");
  await job.finish({ failed: "compile" });
  await expect(page.locator(".says")).toContainText("scripted: compile");
  const shown = await page.locator(".log-view .row .text").allTextContents();
  expect(shown.filter((text) => text.startsWith("line "))).toEqual(
    Array.from({ length: 40 }, (_, i) => `line ${i}`),
  );
  expect(seen.most()).toBeLessThanOrEqual(1);
  expect((await on.server.finished(id)).outcome).toBe("failure");
});

test("a hidden tab has no stream, and knows everything when it is seen again", async ({ page }) => {
  await signIn(page, on.server);
  const seen = streams(page);
  await page.goto(on.server.base);
  await expect.poll(() => seen.open.size).toBe(1);
  const visibility = (state: string) =>
    page.evaluate((state) => {
      Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, state);
  await visibility("hidden");
  await expect.poll(() => seen.open.size).toBe(0);
  const { id } = await submit(["clang:19"], { labels: { which: "hidden" } });
  const job = await on.agent.job();
  await job.finish("success");
  await on.server.finished(id);
  await visibility("visible");
  await expect.poll(() => seen.open.size).toBe(1);
  const row = page.locator("table.builds tbody tr").first();
  await expect(row).toContainText("clang:19");
  await expect(row.locator("td").first()).toHaveText("success");
  // A build that has ended needs none.
  await page.getByRole("link", { name: "Scripted" }).first().click();
  await expect(page.getByRole("row", { name: /clang:19/ })).toBeVisible();
  await expect.poll(() => seen.open.size).toBe(0);
});

test("what is asked for stands in the address, and the list keeps to it", async ({ page }) => {
  on.repo.git("checkout", "--quiet", "-B", "topic");
  const commit = on.repo.commit({ "b.c": "int b;\n" }, "Second");
  const first = await submit(["gcc:14"], { source: { git: { url: on.repo.url, ref: "topic" } } });
  await (await on.agent.job()).finish({ failed: "link" });
  await on.server.finished(first.id);
  const second = await submit(["clang:19"], { source: { git: { url: on.repo.url, ref: "main" } } });
  await (await on.agent.job()).finish("success");
  await on.server.finished(second.id);
  on.repo.git("checkout", "--quiet", "main");
  await signIn(page, on.server);
  const rows = page.locator("table.builds tbody tr");
  const first_ = rows.filter({ has: page.locator(`a[href="/builds/${first.id}"]`) });
  const second_ = rows.filter({ has: page.locator(`a[href="/builds/${second.id}"]`) });
  await expect(first_).toBeVisible();
  for (const [choose, address, keeps] of [
    [() => page.getByLabel("Branch").fill("topic"), "branch=topic", first_],
    [() => page.getByLabel("Commit").fill(commit), `commit=${commit}`, first_],
    [() => page.getByLabel("Toolchain").selectOption("clang:19"), "toolchain=clang%3A19", second_],
    [() => page.getByLabel("Outcome").selectOption("failure"), "outcome=failure", first_],
    [() => page.getByLabel("State").selectOption("finished"), "state=finished", second_],
  ] as const) {
    await choose();
    await expect(page).toHaveURL(new RegExp(address.replace("?", "\\?")));
    await expect(keeps).toBeVisible();
    const other = keeps === first_ ? second_ : first_;
    if (!address.startsWith("state")) await expect(other).toHaveCount(0);
    // Whoever gets the address sees the same.
    await page.reload();
    await expect(keeps).toBeVisible();
    await page.getByRole("button", { name: "Clear" }).click();
    await expect(page).toHaveURL(`${on.server.base}/`);
  }
  await page.getByLabel("Commit").fill("0123");
  await expect(page.getByRole("alert")).toBeVisible();
  await page.getByLabel("Commit").fill("0".repeat(40));
  await expect(page.getByRole("heading", { name: "No build is like that" })).toBeVisible();
});

test("attempts have logs of their own", async ({ page }) => {
  const { id } = await submit();
  const first = await on.agent.job();
  await first.start();
  await first.write("of the first attempt\n");
  await first.finish({ failed: "agent_lost" });
  await signIn(page, on.server);
  const { jobs } = await on.server.api("GET", `builds/${id}`);
  await page.goto(`${on.server.base}/jobs/${jobs[0].id}`);
  await expect(page.locator(".log-view")).toContainText("of the first attempt");
  const second = await on.agent.job();
  expect(second.attempt).toBe(2);
  await second.start();
  await second.write("of the second attempt\n");
  await expect(page.locator(".log-view")).toContainText("of the second attempt");
  await expect(page.locator(".log-view")).not.toContainText("of the first attempt");
  await second.finish("success");
  await page.getByRole("button", { name: "Attempt 1" }).click();
  await expect(page.locator(".log-view")).toContainText("of the first attempt");
  await expect(page.locator(".log-view")).not.toContainText("of the second attempt");
  await expect(page).toHaveURL(/attempt=1/);
});
