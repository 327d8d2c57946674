// What changes, as it changes: one stream of events for the whole tab, open while a page of it wants to
// hear and the tab is seen. What was asked of the server is asked again when an event says that it changed.

import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import { client, SERVER, value } from "./api";
import { type Connection, follow, type Sent } from "./sse";

/** The shortest time between two looks at the same, in milliseconds. */
const PAUSE = 500;

/** What may look otherwise with each kind of change, beside the very thing that changed. */
const JOBS = ["builds", "commit", "queues", "agents", "refs", "history"];
const TOUCHED: Record<string, readonly string[]> = {
  build: JOBS,
  job: JOBS,
  agent: ["agents", "queues", "toolchains"],
  queue: ["queues"],
  project: ["projects", "project", "refs"],
};

type Listener = () => void;

class Live {
  #wanted = 0;
  #stream: { stop(): void; last(): string } | undefined;
  #last: string | undefined;
  #connection: Connection = "closed";
  #listeners = new Set<Listener>();
  #client: QueryClient | undefined;
  #changed = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #looked = 0;
  #linger: ReturnType<typeof setTimeout> | undefined;

  /** A page wants to hear; the answer ends that. */
  want(client: QueryClient): () => void {
    this.#client = client;
    this.#wanted += 1;
    clearTimeout(this.#linger);
    this.#update();
    return () => {
      this.#wanted -= 1;
      // From page to page it stays open.
      clearTimeout(this.#linger);
      this.#linger = setTimeout(() => this.#update(), 100);
    };
  }

  subscribe = (listener: Listener) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  connection = () => this.#connection;

  /** The tab was hidden or is seen again. */
  seen = () => this.#update();

  #update() {
    const open = this.#wanted > 0 && document.visibilityState === "visible";
    if (open && !this.#stream) {
      // Without a place to go on from, what happened meanwhile is in nobody's answer.
      const isFirst = this.#last === undefined;
      this.#stream = follow({
        url: `${SERVER}/api/v1/events`,
        last: this.#last,
        onEvent: this.#event,
        onConnection: (connection) => {
          this.#say(connection);
          // Whoever is not signed in any more is told so by every other request.
          if (connection === "refused") value(client.GET("/api/v1/whoami")).catch(() => {});
          if (connection === "open" && isFirst && this.#last === undefined) this.#all();
        },
      });
    } else if (!open && this.#stream) {
      this.#last = this.#stream.last() || this.#last;
      this.#stream.stop();
      this.#stream = undefined;
    }
  }

  #event = (event: Sent) => {
    this.#last = event.id;
    const touched = TOUCHED[event.name];
    // `resync`, or news of a server that is newer than this page: looking at all is always right.
    if (!touched) return this.#all();
    for (const list of touched) this.#changed.add(list);
    const { build, job } = JSON.parse(event.data) as { build?: string; job?: string };
    if (build) this.#changed.add(`build ${build}`);
    if (job) this.#changed.add(`job ${job}`);
    this.#soon();
  };

  #all() {
    this.#changed.add("all");
    this.#soon();
  }

  #soon() {
    if (this.#timer !== undefined) return;
    const wait = Math.max(0, this.#looked + PAUSE - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#looked = performance.now();
      this.#look();
    }, wait);
  }

  #look() {
    const changed = this.#changed;
    this.#changed = new Set();
    const predicate = ({ queryKey: [kind, id] }: { queryKey: readonly unknown[] }) => {
      if (changed.has("all")) return kind !== "who";
      if (kind === "build" || kind === "job") return changed.has(`${kind} ${String(id)}`);
      return changed.has(String(kind));
    };
    // An answer that is on its way may be older than the change: it is not cut off, but looked at again after it.
    if (this.#client?.isFetching({ predicate })) {
      for (const what of changed) this.#changed.add(what);
      this.#soon();
    }
    void this.#client?.invalidateQueries({ predicate }, { cancelRefetch: false });
  }

  #say(connection: Connection) {
    this.#connection = connection;
    for (const listener of this.#listeners) listener();
  }
}

const live = new Live();
document.addEventListener("visibilitychange", live.seen);

/** Keeps what is shown up to date while `isWanted`. */
export function useLive(isWanted: boolean) {
  const client = useQueryClient();
  useEffect(() => (isWanted ? live.want(client) : undefined), [client, isWanted]);
}

/** How the stream is. */
export function useConnection(): Connection {
  return useSyncExternalStore(live.subscribe, live.connection);
}
