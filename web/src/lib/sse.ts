// Server-sent events over fetch. A browser's own EventSource cannot begin at an event it was not connected
// for, does not say why it was refused, and gives up for good on some answers.

/** One event. */
export interface Sent {
  id: string;
  name: string;
  data: string;
}

/** Where a stream is. */
export type Connection = "connecting" | "open" | "lost" | "refused" | "closed";

/** Cuts a stream of text into events. */
export class Cutter {
  #rest = "";
  #id = "";
  retry: number | undefined;

  /** Takes the next text, gives the events that are complete. */
  take(text: string): Sent[] {
    this.#rest += text;
    const events: Sent[] = [];
    let at = 0;
    for (;;) {
      const end = this.#rest.indexOf("\n\n", at);
      if (end < 0) break;
      const event = this.#event(this.#rest.slice(at, end));
      if (event) events.push(event);
      at = end + 2;
    }
    this.#rest = this.#rest.slice(at);
    return events;
  }

  #event(block: string): Sent | undefined {
    let name = "message";
    let data: string | undefined;
    for (const line of block.split("\n")) {
      const colon = line.indexOf(":");
      if (colon === 0) continue;
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
      if (field === "event") name = value;
      else if (field === "data") data = data === undefined ? value : `${data}\n${value}`;
      else if (field === "id") this.#id = value;
      else if (field === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
    }
    return data === undefined ? undefined : { id: this.#id, name, data };
  }
}

export interface StreamOptions {
  url: string;
  /** Goes on after this event. */
  last?: string;
  onEvent(event: Sent): void;
  /** Called after what came at once was handed over. */
  onBatch?(): void;
  onConnection?(connection: Connection, problem?: string): void;
  /** The event after which nothing comes any more. */
  endsWith?: string;
  fetch?: typeof fetch;
}

/** How long work may go on before the page gets its turn, in milliseconds. */
const TURN = 8;
/** The longest pause between two tries, in milliseconds. */
const LONGEST = 15_000;
/** How long nothing may come, not even a sign of life, before the connection counts as lost. */
const SILENCE = 40_000;

const turn = () =>
  new Promise<void>((resolve) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      channel.port1.close();
      resolve();
    };
    channel.port2.postMessage(null);
  });

/** Follows a stream until it is told to stop, going on after the last event wherever it breaks off. */
export function follow(options: StreamOptions): { stop(): void; last(): string } {
  const stop = new AbortController();
  let last = options.last ?? "";
  let failures = 0;
  let retry: number | undefined;

  async function once(): Promise<"again" | "end"> {
    const request = new AbortController();
    const cancel = () => request.abort();
    stop.signal.addEventListener("abort", cancel);
    let alarm = setTimeout(cancel, SILENCE);
    try {
      const headers: Record<string, string> = { accept: "text/event-stream" };
      if (last) headers["last-event-id"] = last;
      const get = options.fetch ?? fetch;
      const answer = await get(options.url, {
        headers,
        signal: request.signal,
        credentials: "include",
        cache: "no-store",
      });
      if (!answer.ok || !answer.body) {
        const text = await answer.text();
        if (answer.status === 429 || answer.status >= 500) throw new Error(message(text, answer.status));
        options.onConnection?.("refused", message(text, answer.status));
        return "end";
      }
      options.onConnection?.("open");
      const reader = answer.body.getReader();
      const decoder = new TextDecoder();
      const cutter = new Cutter();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return "again";
        clearTimeout(alarm);
        alarm = setTimeout(cancel, SILENCE);
        let begun = performance.now();
        for (const event of cutter.take(decoder.decode(value, { stream: true }))) {
          retry = cutter.retry;
          if (event.name === "retry") continue;
          if (stop.signal.aborted) return "end";
          if (event.id) last = event.id;
          options.onEvent(event);
          failures = 0;
          if (event.name === options.endsWith) {
            options.onBatch?.();
            cancel();
            return "end";
          }
          if (performance.now() - begun > TURN) {
            options.onBatch?.();
            await turn();
            begun = performance.now();
          }
        }
        options.onBatch?.();
      }
    } finally {
      clearTimeout(alarm);
      stop.signal.removeEventListener("abort", cancel);
    }
  }

  async function run() {
    options.onConnection?.("connecting");
    while (!stop.signal.aborted) {
      try {
        if ((await once()) === "end") break;
      } catch (error) {
        if (stop.signal.aborted) break;
        failures += 1;
        options.onConnection?.("lost", error instanceof Error ? error.message : String(error));
      }
      if (stop.signal.aborted) break;
      const pause = retry ?? Math.min(LONGEST, 250 * 2 ** Math.min(failures, 6)) * (0.5 + Math.random() / 2);
      retry = undefined;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pause);
        const now = () => {
          clearTimeout(timer);
          resolve();
        };
        stop.signal.addEventListener("abort", now, { once: true });
        window.addEventListener("online", now, { once: true });
      });
    }
    options.onConnection?.("closed");
  }

  void run();
  return { stop: () => stop.abort(), last: () => last };
}

function message(text: string, status: number): string {
  try {
    return (JSON.parse(text) as { error: { message: string } }).error.message;
  } catch {
    return `the server answered ${status}`;
  }
}
