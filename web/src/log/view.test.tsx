import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeAll, describe, expect, it } from "vitest";
import type { LogEvent } from "../lib/api";
import { type Followed, take } from "./follow";
import { LogStore } from "./store";
import LogView from "./view";

beforeAll(() => {
  globalThis.ResizeObserver ??= class {
    observe() {}
    unobserve() {}
    disconnect() {}
  };
});

const at = "2026-11-27T12:00:00.000Z";
const events: LogEvent[] = [
  { event: "attempt", attempt: 1 },
  { event: "log", attempt: 1, offset: 0, at, stream: "kiln", text: "Toolchain: gcc:14\n" },
  { event: "step", attempt: 1, step: 0, at, name: "compile", kind: "compile" },
  { event: "log", attempt: 1, offset: 18, at, stream: "stdout", step: 0, text: "cc -c a.c\n" },
  { event: "log", attempt: 1, offset: 28, at, stream: "stderr", step: 0, text: "a.c:1: error: <b>no</b>\n" },
  { event: "log", attempt: 1, offset: 52, at, stream: "stdout", step: 0, base64: btoa("\xff\n") },
  { event: "step", attempt: 1, step: 0, at, exit_code: 2 },
];

function followed(more: Partial<Followed> = {}): Followed {
  const store = new LogStore();
  for (const event of events) take(store, event);
  return { store, attempt: 1, connection: "open", problem: undefined, isWhole: true, ...more };
}

const show = (more: Partial<Followed> = {}, isRunning = false) =>
  render(<LogView followed={followed(more)} job="J" isRunning={isRunning} goToError={false} />);

describe("log view", () => {
  it("has a row for each line, under the step it belongs to", () => {
    const { container } = show();
    expect([...container.querySelectorAll(".row .text")].map((row) => row.textContent)).toEqual([
      "Toolchain: gcc:14",
      "cc -c a.c",
      "stderr: a.c:1: error: <b>no</b>",
      "\ufffd",
    ]);
    expect(container.querySelector("b")).toBeNull();
    const step = screen.getByRole("button", { name: /compile/ });
    expect(step.textContent).toContain("exit status 2");
    expect(step.getAttribute("aria-expanded")).toBe("true");
  });

  it("folds a step, and says how much is in it", async () => {
    const { container } = show();
    await userEvent.click(screen.getByRole("button", { name: /compile/ }));
    expect(container.querySelectorAll(".row .text")).toHaveLength(1);
    expect(screen.getByRole("button", { name: /compile/ }).textContent).toContain("3 lines folded");
  });

  it("finds and marks", async () => {
    const { container } = show();
    await userEvent.type(screen.getByRole("searchbox"), "ERROR");
    await waitFor(() => expect(container.querySelector(".found")?.textContent).toBe("0 of 1"));
    expect(container.querySelector("mark")?.textContent).toBe("error");
    await userEvent.keyboard("{Enter}");
    expect(container.querySelector(".found")?.textContent).toBe("1 of 1");
    expect(container.querySelector(".row.now")?.getAttribute("data-line")).toBe("3");
    await userEvent.clear(screen.getByRole("searchbox"));
    await userEvent.type(screen.getByRole("searchbox"), "nowhere");
    await waitFor(() => expect(container.querySelector(".found")?.textContent).toBe("not found"));
  });

  it("says how the connection is", () => {
    show({ connection: "lost", isWhole: false }, true);
    expect(screen.getByText(/Connection lost/)).toBeTruthy();
  });

  it("says why nothing comes", () => {
    show({ connection: "refused", isWhole: false, problem: "this job is not there" });
    expect(screen.getByText("this job is not there")).toBeTruthy();
  });
});
