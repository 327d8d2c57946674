import { describe, expect, it } from "vitest";
import { type Connection, Cutter, follow, type Sent } from "./sse";

/** A server that gives each connection its script; "cut" breaks it off. */
function scripted(scripts: (string | number)[][]) {
  const asked: (string | null)[] = [];
  const get = async (_: unknown, init?: RequestInit): Promise<Response> => {
    asked.push(new Headers(init?.headers).get("last-event-id"));
    const script = scripts.shift();
    if (!script) return new Promise(() => {});
    if (typeof script[0] === "number") {
      return new Response('{"error":{"message":"not now"}}', { status: script[0] });
    }
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        for (const part of script) {
          if (part === "cut") return controller.error(new Error("cut"));
          controller.enqueue(encoder.encode(String(part)));
          await Promise.resolve();
        }
        controller.close();
      },
    });
    return new Response(body);
  };
  return { asked, get: get as typeof fetch };
}

async function until(what: () => boolean) {
  for (let i = 0; i < 300 && !what(); i += 1) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(what()).toBe(true);
}

describe("sse", () => {
  it("cuts events wherever the network cuts the text", () => {
    const text =
      ': hello\n\nid: 1.0\nevent: log\ndata: {"a":1}\n\ndata: a\ndata: b\n\nretry: 700\nevent: retry\ndata: {}\n\n';
    for (let size = 1; size < text.length; size += 3) {
      const cutter = new Cutter();
      const events: Sent[] = [];
      for (let at = 0; at < text.length; at += size) events.push(...cutter.take(text.slice(at, at + size)));
      expect(events).toEqual([
        { id: "1.0", name: "log", data: '{"a":1}' },
        { id: "1.0", name: "message", data: "a\nb" },
        { id: "1.0", name: "retry", data: "{}" },
      ]);
      expect(cutter.retry).toBe(700);
    }
  });

  it("goes on after the last event, whatever breaks, and repeats nothing", async () => {
    const one = (n: number) => `id: ${n}\nevent: log\ndata: ${n}\n\n`;
    const server = scripted([
      [one(1), one(2), "id: 3\nevent: lo", "cut"],
      [503],
      [one(3), "retry: 1\nevent: retry\ndata: {}\n\n"],
      [one(4), "event: end\ndata: 0\n\n"],
    ]);
    const seen: string[] = [];
    const states: Connection[] = [];
    follow({
      url: "/x",
      endsWith: "end",
      fetch: server.get,
      onEvent: (event) => seen.push(event.data),
      onConnection: (state) => states.push(state),
    });
    await until(() => states.at(-1) === "closed");
    expect(seen).toEqual(["1", "2", "3", "4", "0"]);
    expect(server.asked).toEqual([null, "2", "2", "3"]);
    expect(states.filter((state) => state === "lost")).toHaveLength(2);
  });

  it("does not ask again where it was refused, and says why", async () => {
    const server = scripted([[401]]);
    const said: string[] = [];
    follow({
      url: "/x",
      fetch: server.get,
      onEvent() {},
      onConnection: (state, why) => said.push(`${state} ${why ?? ""}`),
    });
    await until(() => said.at(-1) === "closed ");
    expect(said).toContain("refused not now");
    expect(server.asked).toHaveLength(1);
  });

  it("is silent once it was stopped", async () => {
    const server = scripted([["id: 1\ndata: 1\n\n"], ["id: 2\ndata: 2\n\n"]]);
    const seen: string[] = [];
    const stream = follow({ url: "/x", fetch: server.get, onEvent: (event) => seen.push(event.data) });
    await until(() => seen.length > 0);
    stream.stop();
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(seen.length).toBeLessThanOrEqual(2);
    expect(stream.last()).toBe(seen.at(-1));
  });
});
