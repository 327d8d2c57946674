// The log of one attempt, followed: what came is in a store, and the connection heals by itself.

import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { type LogEvent, SERVER } from "../lib/api";
import { type Connection, follow, type Sent } from "../lib/sse";
import { LogStore, type StreamName } from "./store";

export interface Followed {
  store: LogStore;
  /** The attempt whose log it is. */
  attempt: number | undefined;
  connection: Connection;
  problem: string | undefined;
  /** Everything there is has come. */
  isWhole: boolean;
}

/** Takes one event into a store. */
export function take(store: LogStore, event: LogEvent) {
  if (event.event === "log") {
    const at = Date.parse(event.at);
    const step = event.step ?? undefined;
    if (event.text != null) store.append(event.stream as StreamName, event.text, at, step);
    else if (event.base64 != null) {
      const bytes = Uint8Array.from(atob(event.base64), (c) => c.charCodeAt(0));
      store.appendBytes(event.stream as StreamName, bytes, at, step);
    }
  } else if (event.event === "step") {
    if (event.name != null) store.stepBegins(event.step, event.name, Date.parse(event.at));
    if (event.exit_code != null) store.stepEnds(event.step, event.exit_code, Date.parse(event.at));
  } else if (event.event === "gap") {
    store.gap(event.to - event.from, Date.now());
  }
}

/** A job's log that is read as it is written. */
class Follower {
  #listeners = new Set<() => void>();
  #frame: number | undefined;
  #stream: { stop(): void; last(): string } | undefined;
  #last: string | undefined;
  #state: Followed;
  #job: string;
  #wanted: number | undefined;
  #from: number | undefined;
  #onChange: () => void;

  constructor(job: string, wanted: number | undefined, from: number | undefined, onChange: () => void) {
    this.#job = job;
    this.#wanted = wanted;
    this.#from = wanted ?? from;
    this.#onChange = onChange;
    this.#state = {
      store: new LogStore(),
      attempt: this.#from,
      connection: "connecting",
      problem: undefined,
      isWhole: false,
    };
  }

  subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  state = () => this.#state;

  start() {
    document.addEventListener("visibilitychange", this.#seen);
    this.#seen();
  }

  stop() {
    document.removeEventListener("visibilitychange", this.#seen);
    this.#close();
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    this.#frame = undefined;
  }

  // A tab that nobody sees needs no connection; what it missed is there when it is seen again.
  #seen = () => {
    if (document.visibilityState !== "visible") this.#close();
    else if (!this.#stream && !this.#state.isWhole) this.#open();
  };

  #close() {
    this.#last = this.#stream?.last() || this.#last;
    this.#stream?.stop();
    this.#stream = undefined;
  }

  #open() {
    const query = this.#from ? `?attempt=${this.#from}` : "";
    this.#stream = follow({
      url: `${SERVER}/api/v1/jobs/${this.#job}/log/stream${query}`,
      last: this.#last,
      endsWith: "end",
      onEvent: this.#event,
      onBatch: this.#show,
      onConnection: (connection, problem) => {
        if (connection === "closed" && !this.#state.isWhole) return;
        this.#state = { ...this.#state, connection: this.#state.isWhole ? "closed" : connection, problem };
        this.#show();
      },
    });
  }

  #event = (sent: Sent) => {
    const event = JSON.parse(sent.data) as LogEvent;
    if (event.event === "end") {
      this.#state = { ...this.#state, isWhole: true };
      this.#onChange();
    } else if (event.event === "state") {
      this.#onChange();
    } else if (event.event === "attempt") {
      if (this.#wanted !== undefined && event.attempt > this.#wanted) {
        // That is another attempt's log.
        this.#state = { ...this.#state, isWhole: true, connection: "closed" };
        this.#close();
      } else if (event.attempt !== this.#state.attempt) {
        this.#state = { ...this.#state, attempt: event.attempt, store: new LogStore() };
      }
      this.#onChange();
    } else {
      if (event.event === "step") this.#onChange();
      take(this.#state.store, event);
    }
  };

  #show = () => {
    if (this.#frame !== undefined) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = undefined;
      // A new object tells React that it changed.
      this.#state = { ...this.#state };
      for (const listener of this.#listeners) listener();
    });
  };
}

/** The log of the wanted attempt; without one, of that `from` which it is read, and of whichever begins next. */
export function useLog(
  job: string,
  wanted: number | undefined,
  from: number | undefined,
  onChange: () => void,
): Followed {
  const change = useRef(onChange);
  change.current = onChange;
  const [follower, setFollower] = useState(() => new Follower(job, wanted, from, () => change.current()));
  const key = `${job} ${wanted}`;
  const known = useRef(key);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new follower is made here only, for another key
  useEffect(() => {
    let current = follower;
    if (known.current !== key) {
      known.current = key;
      current = new Follower(job, wanted, from, () => change.current());
      setFollower(current);
    }
    current.start();
    return () => current.stop();
  }, [key]);
  return useSyncExternalStore(follower.subscribe, follower.state);
}
