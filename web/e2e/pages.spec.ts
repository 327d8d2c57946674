// Every page: what can be done there, what each role may, that nothing of it is ever markup, that everybody
// can use it; and pictures of all of them.

import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { expect, type Page, test } from "@playwright/test";
import { Agent } from "./agent";
import { Repo, Server, signIn } from "./server";

/** What axe says, as far as it is read. */
interface Axe {
  run(
    what: Document,
  ): Promise<{ violations: { id: string; nodes: { target: unknown; failureSummary: string }[] }[] }>;
}

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const PICTURES = join(import.meta.dirname, "../screenshots");

let server: Server;
let agent: Agent;
let repo: Repo;
/** A build of each kind, and the job of the failed one. */
const made = { good: "", bad: "", job: "", running: "", commit: "", upload: "" };

async function build(
  toolchains: string[],
  finish: (toolchain: string) => "success" | { failed: string },
  more = {},
) {
  const { id } = await server.api("POST", "builds", {
    source: { git: { url: repo.url } },
    toolchains,
    ...more,
  });
  for (const _ of toolchains) {
    const job = await agent.job();
    await job.start(2);
    await job.write("Toolchain: scripted\n", "kiln");
    await job.stepBegins("configure", "./configure --prefix=/usr", "configure");
    await job.write("checking for cc... \x1b[32myes\x1b[0m\n".repeat(20));
    await job.stepEnds(0);
    await job.stepBegins("compile", "make -j2", "compile");
    const verdict = finish(job.toolchain);
    await job.write(`${Array.from({ length: 60 }, (_, i) => `cc -O2 -c file${i}.c`).join("\n")}\n`);
    if (verdict !== "success") {
      await job.write("\x1b[1msrc/a.c:7:3:\x1b[0m \x1b[1;31merror:\x1b[0m 'x' undeclared\n", "stderr");
    }
    await job.stepEnds(verdict === "success" ? 0 : 2);
    await job.finish(verdict, {
      diagnostics: {
        errors: verdict === "success" ? 0 : 1,
        warnings: job.toolchain.startsWith("gcc") ? 3 : 5,
        ...(verdict === "success"
          ? {}
          : {
              first_error: {
                file: "src/a.c",
                line: 7,
                column: 3,
                severity: "error",
                message: "'x' undeclared",
                excerpt: [{ line: 7, text: "  return x;" }],
              },
            }),
      },
    });
  }
  await server.finished(id);
  return id as string;
}

test.beforeAll(async () => {
  server = await Server.start({ withAgent: false });
  agent = await Agent.start(server);
  repo = new Repo(server, "widget");
  made.commit = repo.commit({ "main.c": "int main(void) { return 0; }\n" }, "Make widgets round");
  agent.info = { ...agent.info, message: "Make widgets round" };
  await server.api("POST", "projects", { name: "widget", url: repo.url });
  for (let i = 0; i < 6; i += 1) made.good = await build(["gcc:14", "clang:19"], () => "success");
  made.bad = await build(["gcc:14", "clang:19"], (toolchain) =>
    toolchain === "clang:19" ? { failed: "compile" } : "success",
  );
  const { jobs } = await server.api("GET", `builds/${made.bad}`);
  made.job = jobs.find((job: { toolchain: string }) => job.toolchain === "clang:19").id;
  await server.api("PUT", "projects/widget/watch", {});
});
test.afterAll(async () => {
  await agent?.stop();
  await server?.end();
});

/** Fails on every message that a page leaves on the console beyond that one is not signed in yet. */
function listen(page: Page): string[] {
  const said: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" && !/status of 40[14]/.test(message.text())) said.push(message.text());
  });
  page.on("pageerror", (error) => said.push(error.message));
  return said;
}

const pages = () => [
  ["builds", "/"],
  ["build", `/builds/${made.bad}`],
  ["job", `/jobs/${made.job}`],
  ["commit", `/commits/${made.commit}`],
  ["projects", "/projects"],
  ["project", "/projects/widget"],
  ["queues", "/queues"],
  ["toolchains", "/toolchains"],
  ["new", "/new"],
  ["account", "/account"],
  ["nothing", "/there/is/none"],
];

for (const scheme of ["light", "dark"] as const) {
  test(`everybody can use every page, in ${scheme}`, async ({ browser }) => {
    test.setTimeout(90_000);
    mkdirSync(PICTURES, { recursive: true });
    // The page's policy lets no script in but its own: what looks at it has to come from outside of it.
    const context = await browser.newContext({
      colorScheme: scheme,
      viewport: { width: 1280, height: 900 },
      bypassCSP: true,
    });
    const page = await context.newPage();
    const said = listen(page);
    const violations: string[] = [];
    const look = async (name: string) => {
      await page.waitForTimeout(500);
      for (const width of [1280, 390]) {
        await page.setViewportSize({ width, height: 900 });
        await page.waitForTimeout(150);
        await page.screenshot({
          path: join(PICTURES, `${name}-${scheme}-${width}.png`),
          fullPage: name !== "job",
        });
        const wide = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        if (wide > 0) violations.push(`${name} at ${width}: ${wide} pixels too wide`);
      }
      await page.setViewportSize({ width: 1280, height: 900 });
      await page.addScriptTag({ path: AXE });
      const found = await page.evaluate(async () => {
        const { violations } = await (window as unknown as { axe: Axe }).axe.run(document);

        return violations.map(
          (v) => `${v.id}: ${v.nodes.map((n) => `${n.target} ${n.failureSummary}`).join(" | ")}`,
        );
      });
      violations.push(...found.map((text: string) => `${name}: ${text}`));
    };
    await page.goto(server.base);
    await page.getByLabel("Token").waitFor();
    await look("signin");
    await page.getByLabel("Token").fill(server.token());
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("navigation", { name: "Places" }).waitFor();
    for (const [name, path] of pages()) {
      await page.goto(server.base + path);
      await page.locator("main h1, main h2").first().waitFor();
      await look(name ?? "");
    }
    await page.goto(server.base);
    await page.getByRole("button", { name: "Keys" }).click();
    await look("keys");
    expect(violations).toEqual([]);
    expect(said).toEqual([]);
    await context.close();
  });
}

test("signing in and out: the token is nowhere in the page, and out is out", async ({ page, context }) => {
  await page.goto(server.base);
  await page.getByLabel("Token").fill(`kiln_${"0".repeat(26)}_${"0".repeat(43)}`);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("alert")).toContainText(/not valid|mistyped/);
  await signIn(page, server);
  const cookies = await context.cookies();
  expect(cookies).toHaveLength(1);
  expect(cookies[0]).toMatchObject({ name: "kiln_session", httpOnly: true, sameSite: "Strict" });
  const kept = await page.evaluate(
    () =>
      JSON.stringify({ ...localStorage, ...sessionStorage }) +
      document.cookie +
      document.documentElement.outerHTML,
  );
  expect(kept).not.toContain(server.token());
  await page.getByRole("link", { name: "local" }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByLabel("Token")).toBeVisible();
  await page.goto(`${server.base}/builds/${made.good}`);
  await expect(page.getByLabel("Token")).toBeVisible();
});

test("a token that is taken back ends what its owner sees", async ({ page }) => {
  const token = await server.tokenFor("read", "leaver");
  await signIn(page, server, token);
  const { items } = await server.api("GET", "tokens");
  await server.api("DELETE", `tokens/${items.find((item: { name: string }) => item.name === "leaver").id}`);
  // Whichever request is the next says so: one of the page's own, or this.
  await page.goto(`${server.base}/queues`);
  await expect(page.getByLabel("Token")).toBeVisible();
});

test("each role is shown what it may, and the server keeps to it", async ({ page, context }) => {
  const reader = await server.tokenFor("read", "reader");
  await signIn(page, server, reader);
  await page.goto(`${server.base}/builds/${made.bad}`);
  await expect(page.getByRole("row", { name: /clang:19/ })).toBeVisible();
  await expect(page.getByRole("button", { name: /Retry|Run all/ })).toHaveCount(0);
  await page.goto(`${server.base}/new`);
  await expect(page.getByRole("heading", { name: /needs a token/ })).toBeVisible();
  await page.goto(`${server.base}/queues`);
  await expect(page.getByRole("heading", { name: "Agents", exact: true })).toBeVisible();
  await expect(page.getByRole("button", { name: /Pause|Hold|Drain/ })).toHaveCount(0);
  const refused = await page.evaluate(async (build) => {
    const answer = await fetch(`/api/v1/builds/${build}/retry`, {
      method: "POST",
      headers: { "x-kiln-page": "1", "content-type": "application/json" },
      body: "{}",
    });
    return answer.status;
  }, made.bad);
  expect(refused).toBe(403);

  await context.clearCookies();
  await signIn(page, server, await server.tokenFor("submit", "builder"));
  await page.goto(`${server.base}/builds/${made.bad}`);
  await expect(page.getByRole("button", { name: "Retry what failed" })).toBeVisible();
  await page.goto(`${server.base}/projects`);
  await expect(page.getByRole("link", { name: "widget" }).first()).toBeVisible();
  await expect(page.getByRole("button", { name: "Add a project" })).toHaveCount(0);
});

test("where everybody may read, one can sign in for more", async ({ page }) => {
  const open = await Server.start({ withAgent: false, env: { KILN_SERVER_ANONYMOUS: "read" } });
  try {
    await page.goto(open.base);
    await expect(page.getByRole("heading", { name: "Nothing was built yet" })).toBeVisible();
    await page.getByRole("link", { name: "Sign in" }).click();
    await page.getByLabel("Token").fill(open.token());
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByRole("link", { name: "local" })).toBeVisible();
  } finally {
    await open.end();
  }
});

test("without the header that only the page can send, a session changes nothing", async ({ page }) => {
  await signIn(page, server);
  const status = await page.evaluate(
    async (build) => (await fetch(`/api/v1/builds/${build}/cancel`, { method: "POST" })).status,
    made.good,
  );
  expect(status).toBe(403);
});

test("projects are added, changed, watched and checked; queues and agents are held", async ({ page }) => {
  const second = new Repo(server, "gadget");
  second.commit({ "g.c": "int g;\n" }, "A gadget");
  await signIn(page, server);
  await page.goto(`${server.base}/projects`);
  await page.getByRole("button", { name: "Add a project" }).click();
  await page.getByLabel("Repository", { exact: true }).fill(second.url);
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await expect(page.getByRole("heading", { name: "gadget", level: 1 })).toBeVisible();
  await page.getByRole("button", { name: "Check now" }).click();
  await expect(page.getByRole("row", { name: /^main/ })).toBeVisible({ timeout: 30_000 });
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("textbox", { name: "Branches" }).fill("main, release/*");
  await page.getByRole("textbox", { name: "Toolchains" }).fill("gcc:14");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Saved")).toBeVisible();
  await expect(page.getByText("Branches main, release/*")).toBeVisible();
  expect((await server.api("GET", "projects/gadget/watch")).rules.toolchains).toEqual(["gcc:14"]);
  await page.getByRole("button", { name: "Remove the project" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove the project" }).click();
  await expect(page.getByRole("heading", { name: "Projects", exact: true, level: 1 })).toBeVisible();
  await expect(page.getByRole("link", { name: "gadget" })).toHaveCount(0);

  await page.goto(`${server.base}/queues`);
  await page.getByRole("button", { name: "Pause the queue default" }).click();
  await page.getByLabel("Why pause the queue default").fill("the disk is swapped");
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await expect(page.getByText("paused by local: the disk is swapped")).toBeVisible();
  const { id } = await server.api("POST", "builds", {
    source: { git: { url: repo.url } },
    toolchains: ["gcc:14"],
  });
  await expect(page.getByRole("heading", { name: "What waits, and why" })).toBeVisible();
  // The plan goes through a paused queue, the leg waits, and says for what.
  await expect(page.getByRole("row", { name: /^gcc:14/ })).toContainText("the disk is swapped");
  await page.getByRole("button", { name: "Resume the queue default" }).click();
  const job = await agent.jobOf(id);
  await job.start();
  await expect(
    page.getByRole("row", { name: /^scripted/ }).getByRole("link", { name: "gcc:14 of Make widgets round" }),
  ).toBeVisible();
  await job.finish("success");
  await server.finished(id);
  await page.getByRole("button", { name: "Drain scripted" }).click();
  await page.getByLabel("Why drain scripted").fill("a new kernel");
  await page.getByRole("button", { name: "Drain", exact: true }).click();
  await expect(page.getByText("a new kernel")).toBeVisible();
  await page.getByRole("button", { name: "Resume scripted" }).click();
  await expect(page.getByText("a new kernel")).toHaveCount(0);
});

test("a project's history is drawn, and each build of it is a click away", async ({ page }) => {
  await signIn(page, server);
  await page.goto(`${server.base}/projects/widget`);
  await expect(page.locator(".strip a").last()).toHaveAttribute("aria-label", /Make widgets round/);
  await expect(page.locator(".chart canvas")).toHaveCount(2);
  await expect(page.getByRole("figure").filter({ hasText: "Warnings" })).toContainText("clang:19: 5.");
  await page.getByLabel("Toolchain").selectOption("gcc:14");
  await expect(page.getByRole("figure").filter({ hasText: "Warnings" })).not.toContainText("clang:19: 5.");
  await page.locator(".strip a").first().click();
  await expect(page).toHaveURL(/\/builds\//);
});

test("everything goes by keyboard", async ({ page }) => {
  await signIn(page, server);
  await page.goto(server.base);
  await page.locator("table.builds tbody tr").first().waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("k");
  await expect(page.locator("tr.chosen")).toHaveCount(1);
  const to = await page.locator("tr.chosen a.subject").getAttribute("href");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(server.base + to);
  for (const [key, path] of [
    ["p", "/projects"],
    ["q", "/queues"],
    ["t", "/toolchains"],
    ["a", "/account"],
    ["b", "/"],
  ]) {
    await page.keyboard.press("g");
    await page.keyboard.press(key ?? "");
    await expect(page).toHaveURL(server.base + path);
  }
  await page.keyboard.press("c");
  await expect(page).toHaveURL(`${server.base}/new`);
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog")).toContainText("first error");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await page.goto(server.base);
  await page.locator("table.builds tbody tr").first().waitFor();
  // With the tabulator alone to a build: every stop is seen.
  for (let i = 0; i < 40; i += 1) {
    await page.keyboard.press("Tab");
    const is = await page.evaluate(() => {
      const element = document.activeElement as HTMLElement;
      return { href: element.getAttribute("href"), outline: getComputedStyle(element).outlineStyle };
    });
    expect(is.outline).not.toBe("none");
    if (is.href?.startsWith("/builds/")) return;
  }
  throw new Error("no build was reached");
});
