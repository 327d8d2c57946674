// How fast it is, as numbers for people to read; asserted is only what no machine can be too slow for.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, type Page, test } from "@playwright/test";
import { signIn } from "./server";
import { stage } from "./stage";

const LEGS = [
  "gcc:11",
  "gcc:12",
  "gcc:13",
  "gcc:14",
  "clang:14",
  "clang:15",
  "clang:16",
  "clang:17",
  "clang:18",
  "clang:19",
];

const on = stage({ env: { KILN_SERVER_REQUESTS_PER_SECOND: "5000" }, toolchains: LEGS });

const say = (text: string) => console.log(`    ${text}`);
const percentile = (values: number[], part: number) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? 0;

/** Notes the time between frames from now on. */
const watchFrames = (page: Page) =>
  page.evaluate(() => {
    const frames: number[] = [];
    let last = performance.now();
    const tick = () => {
      const now = performance.now();
      frames.push(now - last);
      last = now;
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
    // What the page itself kept a frame waiting with: the rest is a machine that had something else to do.
    const tasks: number[] = [];
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) tasks.push(entry.duration);
    }).observe({ type: "longtask" });
    Object.assign(window, { frames, tasks });
  });
const tasks = (page: Page) =>
  page.evaluate(() => {
    const { tasks } = window as unknown as { tasks: number[] };
    return tasks.length === 0
      ? "no task over 50 ms"
      : `${tasks.length} tasks over 50 ms, the longest ${Math.max(...tasks).toFixed(0)} ms`;
  });
const frames = (page: Page) =>
  page.evaluate(() => (window as unknown as { frames: number[] }).frames.slice(1));

test("what is loaded first is small, and the rest comes when it is needed", async ({ page }) => {
  const loaded = new Set<string>();
  page.on("request", (request) => loaded.add(new URL(request.url()).pathname));
  await signIn(page, on.server);
  await page.waitForTimeout(500);
  const folder = join(import.meta.dirname, "../dist/app");
  let size = 0;
  for (const path of loaded) {
    if (path.startsWith("/assets/") || path === "/theme.js")
      size += gzipSync(readFileSync(join(folder, path))).length;
  }
  size += gzipSync(readFileSync(join(folder, "index.html"))).length;
  say(`first load: ${(size / 1024).toFixed(1)} KiB gzip`);
  expect(size).toBeLessThan(150 * 1024);
  const names = readdirSync(join(folder, "assets"));
  for (const lazy of ["view", "charts"]) {
    const file = names.find((name) => name.startsWith(`${lazy}-`) && name.endsWith(".js"));
    expect(file, lazy).toBeDefined();
    expect(
      [...loaded].some((path) => path.endsWith(file ?? "?")),
      `${lazy} is not loaded at first`,
    ).toBe(false);
  }

  const paints: number[] = [];
  const rows: number[] = [];
  for (let i = 0; i < 8; i += 1) {
    await page.goto(on.server.base);
    await page.locator("main h2").or(page.locator("table.builds")).first().waitFor();
    const [paint, useful] = await page.evaluate(() => [
      performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
      performance.now(),
    ]);
    paints.push(paint ?? 0);
    rows.push(useful ?? 0);
  }
  say(
    `first paint: ${percentile(paints, 0.5).toFixed(0)} ms p50; the list is there after ${percentile(rows, 0.5).toFixed(0)} ms p50`,
  );
});

test("a million lines: first lines, scrolling, memory", async ({ page }) => {
  test.setTimeout(180_000);
  const { id } = await on.server.api("POST", "builds", {
    source: { git: { url: on.repo.url } },
    toolchains: ["gcc:14"],
    limits: { log_bytes: 256 * 2 ** 20 },
  });
  const job = await on.agent.jobOf(id);
  await job.start();
  const LINES = 1_000_000;
  for (let at = 0; at < LINES; at += 20_000) {
    let text = "";
    for (let i = at; i < at + 20_000; i += 1)
      text += `\x1b[32m[${i}/${LINES}]\x1b[0m cc -O2 -c src/file${i}.c -o obj/file${i}.o\n`;
    await job.write(text);
  }
  await job.finish("success");
  await on.server.finished(id);
  await signIn(page, on.server);
  await watchFrames(page);
  // From the page before, as people come.
  await page.goto(`${on.server.base}/builds/${id}`);
  await page.getByRole("row", { name: /gcc:14/ }).waitFor();
  await watchFrames(page);
  const begun = Date.now();
  await page
    .getByRole("row", { name: /gcc:14/ })
    .getByRole("link")
    .click();
  await page.locator('.row[data-line="5"]').waitFor();
  const first = Date.now() - begun;
  await expect(page.locator(".log-foot")).toContainText("1,000,000 lines", { timeout: 120_000 });
  const whole = Date.now() - begun;
  const loading = await frames(page);
  say(
    `a million lines: the first after ${first} ms, all after ${whole} ms; frames meanwhile ${percentile(loading, 0.99).toFixed(0)} ms p99, ${Math.max(...loading).toFixed(0)} ms at most; ${await tasks(page)}`,
  );

  const view = page.locator(".log-view");
  await view.hover();
  await watchFrames(page);
  for (let i = 0; i < 100; i += 1) {
    await page.mouse.wheel(0, i % 3 === 0 ? 30_000 : 400);
    await page.waitForTimeout(16);
  }
  for (let i = 0; i < 40; i += 1) {
    await view.evaluate((element, part) => {
      element.scrollTop = element.scrollHeight * part;
    }, Math.random());
    await page.waitForTimeout(16);
  }
  const scrolling = await frames(page);
  say(
    `scrolling it: ${percentile(scrolling, 0.5).toFixed(0)} ms p50, ${percentile(scrolling, 0.99).toFixed(0)} ms p99, ${Math.max(...scrolling).toFixed(0)} ms at most of ${scrolling.length} frames; ${await tasks(page)}`,
  );
  // Every line can be reached, the last one, too.
  await view.evaluate((element) => {
    element.scrollTop = element.scrollHeight;
  });
  await expect(page.locator(`.row[data-line="${LINES}"]`)).toBeInViewport();
  await page.keyboard.press("/");
  await page.keyboard.type("file777777.c");
  const searching = Date.now();
  await expect(page.locator(".found")).toContainText("of 1", { timeout: 60_000 });
  const found = Date.now() - searching;
  await page.keyboard.press("Enter");
  await expect(page.locator(".row.now")).toBeInViewport();
  await expect(page.locator(".row.now")).toHaveAttribute("data-line", "777778");
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize, backingStorageSize } = (await session.send("Runtime.getHeapUsage")) as {
    usedSize: number;
    backingStorageSize?: number;
  };
  say(`found in ${found} ms; memory ${((usedSize + (backingStorageSize ?? 0)) / 2 ** 20).toFixed(0)} MiB`);
  expect(await page.locator(".log-view .row").count()).toBeLessThan(200);
});

test("from the agent's hand to the page", async ({ page }) => {
  test.setTimeout(120_000);
  const { id } = await on.server.api("POST", "builds", {
    source: { git: { url: on.repo.url } },
    toolchains: ["gcc:14"],
  });
  const job = await on.agent.jobOf(id);
  await job.start();
  await signIn(page, on.server);
  await page.goto(`${on.server.base}/jobs/${job.id}`);
  await job.write("begin\n");
  await expect(page.locator(".log-view")).toContainText("begin");
  await page.evaluate(() => {
    const seen: Record<string, number> = {};
    new MutationObserver(() => {
      for (const row of document.querySelectorAll(".row .text")) {
        const mark = /at=(\d+)/.exec(row.textContent ?? "")?.[1];
        if (mark && !(mark in seen)) seen[mark] = Date.now() - Number(mark);
      }
    }).observe(document.querySelector(".log-rows") as Element, {
      subtree: true,
      childList: true,
      characterData: true,
    });
    Object.assign(window, { seen });
  });
  for (let i = 0; i < 100; i += 1) {
    await job.write(`at=${Date.now()} line ${i}\n`);
    await page.waitForTimeout(20 + Math.random() * 30);
  }
  await page.waitForTimeout(500);
  const late = Object.values(
    await page.evaluate(() => (window as unknown as { seen: Record<string, number> }).seen),
  );
  expect(late.length).toBe(100);
  say(`a line: ${percentile(late, 0.5)} ms p50, ${percentile(late, 0.95)} ms p95 from the agent to the page`);
  await job.finish("success");
});

test("two hundred updates a second", async ({ page }) => {
  test.setTimeout(120_000);
  await signIn(page, on.server);
  await page.goto(on.server.base);
  await page.locator("main h1").waitFor();
  await watchFrames(page);
  // What the server tells, counted.
  const stop = new AbortController();
  let events = 0;
  const counted = fetch(`${on.server.base}/api/v1/events`, {
    headers: { authorization: `Bearer ${on.server.token()}` },
    signal: stop.signal,
  })
    .then(async (answer) => {
      const decoder = new TextDecoder();
      const reader = answer.body?.getReader();
      for (;;) {
        const part = await reader?.read();
        if (!part || part.done) return;
        events += decoder.decode(part.value).split("\nid: ").length - 1;
      }
    })
    .catch(() => {});
  const begun = Date.now();
  const made: string[] = [];
  while (Date.now() - begun < 8_000) {
    // Many legs for one commit: each is begun and ends.
    const { id } = await on.server.api("POST", "builds", {
      source: { git: { url: on.repo.url } },
      toolchains: LEGS,
    });
    made.push(id);
    await Promise.all(
      LEGS.map(async () => {
        const job = await on.agent.job();
        await job.finish("success");
      }),
    );
  }
  const took = (Date.now() - begun) / 1000;
  const last = made.at(-1) ?? "";
  await on.server.finished(last);
  stop.abort();
  await counted;
  const during = await frames(page);
  say(
    `${(events / took).toFixed(0)} updates/s for ${took.toFixed(0)} s: frames ${percentile(during, 0.5).toFixed(0)} ms p50, ${percentile(during, 0.99).toFixed(0)} ms p99, ${Math.max(...during).toFixed(0)} ms at most; ${await tasks(page)}`,
  );
  await expect(page.locator(`a[href="/builds/${last}"]`)).toBeVisible();
  await expect(
    page.locator("table.builds tbody tr").filter({ has: page.locator(`a[href="/builds/${last}"]`) }),
  ).toContainText("success");
});
