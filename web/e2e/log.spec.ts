// The log on the screen.

import { expect, test } from "@playwright/test";
import { signIn } from "./server";
import { stage } from "./stage";

const on = stage();

async function begun() {
  const { id } = await on.server.api("POST", "builds", {
    source: { git: { url: on.repo.url } },
    toolchains: ["gcc:14"],
  });
  const job = await on.agent.job();
  await job.start(2);
  return { id, job };
}

test("it follows the end until one scrolls away, and again at the end", async ({ page }) => {
  await signIn(page, on.server);
  const { job } = await begun();
  await page.goto(`${on.server.base}/jobs/${job.id}`);
  const view = page.locator(".log-view");
  const follow = page.getByRole("button", { name: "Follow" });
  await job.write(Array.from({ length: 300 }, (_, i) => `line ${i}\n`).join(""));
  await expect(view).toContainText("line 299");
  await expect(follow).toHaveAttribute("aria-pressed", "true");
  await view.hover();
  await page.mouse.wheel(0, -2000);
  await expect(follow).toHaveAttribute("aria-pressed", "false");
  const before = await view.evaluate((element) => element.scrollTop);
  await job.write("more\n".repeat(50));
  await expect(page.locator(".log-foot")).toContainText("350 lines");
  expect(await view.evaluate((element) => element.scrollTop)).toBe(before);
  await page.mouse.wheel(0, 9000);
  await expect(follow).toHaveAttribute("aria-pressed", "true");
  await job.write("the last\n");
  await expect(view).toContainText("the last");
  await job.finish("success");
});

test("colors, carriage returns, links, streams, times, numbers, folds", async ({ page }) => {
  await signIn(page, on.server);
  const { job } = await begun();
  await job.stepBegins("configure", "./configure", "configure");
  await job.write("checking...\r done\n");
  await job.write("\x1b[32mgreen\x1b[0m \x1b[38;5;208morange\x1b[0m \x1b[38;2;1;2;250mblue\x1b[0m\n");
  await job.write(
    "\x1b]8;;https://gcc.gnu.org/x\x1b\\good\x1b]8;;\x1b\\ \x1b]8;;javascript:alert(1)\x1b\\bad\x1b]8;;\x1b\\\n",
  );
  await job.stepEnds(0);
  await job.stepBegins("compile", "make", "compile");
  await job.write("a.c:1:2: error: no\n", "stderr");
  await job.stepEnds(2);
  await job.finish({ failed: "compile" });
  await page.goto(`${on.server.base}/jobs/${job.id}`);
  const text = (name: string) => page.locator(".row .text").filter({ hasText: name });
  await expect(text("done")).toHaveText(" done.....".slice(0, 5) + "ing...".slice(0, 6));
  await expect(text("green").locator(".f2")).toHaveText("green");
  await expect(text("green").locator("span", { hasText: "orange" })).toHaveCSS("color", "rgb(255, 135, 0)");
  await expect(text("green").locator("span", { hasText: "blue" })).toHaveCSS("color", "rgb(1, 2, 250)");
  const links = text("good").locator("a");
  await expect(links).toHaveCount(1);
  await expect(links).toHaveAttribute("href", "https://gcc.gnu.org/x");
  await expect(links).toHaveAttribute("rel", "noopener noreferrer");
  await expect(page.locator(".row.stderr")).toContainText("error: no");

  // Whoever opens a failure's log is at the error.
  await expect(page.locator(".row.picked")).toContainText("error: no");

  await page.keyboard.press("t");
  await expect(page.locator(".row .at").first()).toHaveText(/^\d\d:\d\d:\d\d\.\d{3}$/);
  await page.keyboard.press("l");
  await expect(page.locator(".row .no")).toHaveCount(0);
  await page.keyboard.press("l");
  await page.keyboard.press("t");
  await page.keyboard.press("z");
  await expect(text("green")).toHaveCount(0);
  await expect(page.locator(".row.step").first()).toContainText("3 lines folded");
  await page.locator(".row.step button").first().click();
  await expect(text("green")).toBeVisible();
  await expect(page.locator(".row.step").nth(1)).toContainText("exit status 2");
});

test("a link leads to its lines, and a search through all of them", async ({ page, context }) => {
  await signIn(page, on.server);
  const { job } = await begun();
  let whole = "";
  for (let i = 1; i <= 5000; i += 1) whole += i % 1000 === 0 ? `needle ${i}\n` : `hay ${i}\n`;
  await job.write(whole);
  await job.finish("success");
  await page.goto(`${on.server.base}/jobs/${job.id}`);
  await page.locator('.row[data-line="3"] .no a').click();
  await page.locator('.row[data-line="7"] .no a').click({ modifiers: ["Shift"] });
  await expect(page).toHaveURL(/#L3-L7$/);
  await expect(page.locator(".row.picked")).toHaveCount(5);

  const other = await context.newPage();
  await other.goto(`${on.server.base}/jobs/${job.id}#L4321`);
  await expect(other.locator(".row.picked .text")).toHaveText("hay 4321");
  await expect(other.locator(".row.picked")).toBeInViewport();

  await other.keyboard.press("/");
  await other.keyboard.type("NEEDLE");
  await expect(other.locator(".found")).toContainText("of 5");
  await other.keyboard.press("Enter");
  await expect(other.locator(".row.now .text")).toHaveText("needle 5000");
  await other.keyboard.press("Enter");
  await expect(other.locator(".row.now .text")).toHaveText("needle 1000");
  await other.keyboard.press("Shift+Enter");
  await expect(other.locator(".row.now .text")).toHaveText("needle 5000");
  await other.keyboard.press("Escape");
  await other.keyboard.press("n");
  await expect(other.locator(".found")).toHaveText("");
});
