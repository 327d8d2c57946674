// The frame around every page: who is signed in, where one can go, and the keys.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Component, lazy, type ReactNode, Suspense, useEffect, useRef, useState } from "react";
import { Link, Route, Switch, useLocation } from "wouter";
import { client, onSignedOut, SERVER, value } from "./lib/api";
import { useConnection } from "./lib/live";
import { BuildPage } from "./pages/build";
import { Builds } from "./pages/builds";
import { CommitPage } from "./pages/commit";
import { JobPage } from "./pages/job";
import { SignIn } from "./pages/signin";
import { isTyping, Popup, Problem, Waiting, WhoContext } from "./ui";

const Projects = lazy(() => import("./pages/projects"));
const ProjectPage = lazy(() => import("./pages/project"));
const Queues = lazy(() => import("./pages/queues"));
const Toolchains = lazy(() => import("./pages/toolchains"));
const NewBuild = lazy(() => import("./pages/new"));
const Account = lazy(() => import("./pages/account"));

const PLACES = [
  ["/", "Builds", "b"],
  ["/projects", "Projects", "p"],
  ["/queues", "Queues", "q"],
  ["/toolchains", "Toolchains", "t"],
] as const;

const KEYS: [string, string][] = [
  ["?", "this help"],
  ["g then b, p, q, t, a", "builds, projects, queues, toolchains, account"],
  ["c", "new build"],
  ["j, k", "next and previous line of a list"],
  ["Enter, o", "open the chosen line"],
  ["/", "search or filter"],
  ["Esc", "close, or leave a field"],
];
const LOG_KEYS: [string, string][] = [
  ["f", "follow the end"],
  ["e", "first error"],
  ["n, N", "next and previous hit"],
  ["t, l", "times, line numbers"],
  ["z", "fold and unfold the steps"],
  ["click, Shift-click on a number", "link to a line, to several"],
];

export function App() {
  const queries = useQueryClient();
  const who = useQuery({
    queryKey: ["who"],
    queryFn: () => value(client.GET("/api/v1/whoami")),
    staleTime: Number.POSITIVE_INFINITY,
  });
  // Said by whichever request is refused first, who this is among them.
  const [isOut, setOut] = useState(false);
  useEffect(() => onSignedOut(() => setOut(true)), []);

  if (isOut) {
    return (
      <main>
        <SignIn
          onDone={() => {
            queries.clear();
            setOut(false);
          }}
        />
      </main>
    );
  }
  if (who.error) {
    return (
      <main>
        <Problem error={who.error} again={() => void who.refetch()} />
      </main>
    );
  }
  if (!who.data) return <Waiting />;
  return (
    <WhoContext.Provider value={who.data}>
      <Frame name={who.data.who} />
    </WhoContext.Provider>
  );
}

function Frame({ name }: { name: string }) {
  const [path, go] = useLocation();
  const [helps, setHelps] = useState(false);
  const connection = useConnection();
  const main = useRef<HTMLElement>(null);
  useKeys(go, () => setHelps(true));

  // Another page begins at its top, for screen readers, too.
  const before = useRef(path);
  useEffect(() => {
    if (before.current === path) return;
    before.current = path;
    window.scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [path]);

  return (
    <>
      <a className="skip" href="#main">
        To the content
      </a>
      <header className="top">
        <Link className="brand" href="/">
          <img src="/kiln.svg" alt="" />
          kiln
        </Link>
        <nav aria-label="Places">
          {PLACES.map(([to, label]) => (
            <Link key={to} href={to} aria-current={isAt(path, to) ? "page" : undefined}>
              {label}
            </Link>
          ))}
        </nav>
        <div className="right">
          <Link className="button first" href="/new">
            New build
          </Link>
          <Link href="/account" className="quiet">
            {name === "anonymous" ? "Sign in" : name.replace(/^user:/, "")}
          </Link>
          <Theme />
          <button
            type="button"
            className="plain"
            aria-label="Keys"
            title="Keys ( ? )"
            onClick={() => setHelps(true)}
          >
            ?
          </button>
        </div>
      </header>
      {connection === "lost" ? (
        <div className="banner" role="status">
          The connection to the server is lost; it is tried again. What is shown may be old.
        </div>
      ) : null}
      <main id="main" ref={main} tabIndex={-1}>
        <Guard key={path}>
          <Suspense fallback={<Waiting />}>
            <Switch>
              <Route path="/" component={Builds} />
              <Route path="/builds/:id">{({ id }) => <BuildPage key={id} id={id} />}</Route>
              <Route path="/jobs/:id">{({ id }) => <JobPage key={id} id={id} />}</Route>
              <Route path="/commits/:revision">
                {({ revision }) => <CommitPage key={revision} revision={revision} />}
              </Route>
              <Route path="/projects" component={Projects} />
              <Route path="/projects/:name">{({ name }) => <ProjectPage key={name} name={name} />}</Route>
              <Route path="/queues" component={Queues} />
              <Route path="/toolchains" component={Toolchains} />
              <Route path="/new" component={NewBuild} />
              <Route path="/account" component={Account} />
              <Route>
                <div className="empty">
                  <h1>There is no such page</h1>
                  <p>
                    Perhaps it was removed. <Link href="/">To the builds</Link>
                  </p>
                </div>
              </Route>
            </Switch>
          </Suspense>
        </Guard>
      </main>
      {helps ? (
        <Popup title="Keys" onClose={() => setHelps(false)}>
          <Keys title="Everywhere" keys={KEYS} />
          <Keys title="In a log" keys={LOG_KEYS} />
          <p>
            The same from programs: <a href={`${SERVER}/docs/`}>the API</a>.
          </p>
          <button type="button" onClick={() => setHelps(false)}>
            Close
          </button>
        </Popup>
      ) : null}
    </>
  );
}

function isAt(path: string, place: string): boolean {
  if (place === "/") return path === "/" || /^\/(builds|jobs|commits)\//.test(path);
  return path === place || path.startsWith(`${place}/`);
}

function Keys({ title, keys }: { title: string; keys: [string, string][] }) {
  return (
    <>
      <h3>{title}</h3>
      <table>
        <tbody>
          {keys.map(([key, what]) => (
            <tr key={key}>
              <td className="tight">
                <kbd>{key}</kbd>
              </td>
              <td>{what}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function useKeys(go: (to: string) => void, help: () => void) {
  const prefix = useRef(Number.NEGATIVE_INFINITY);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape" && event.target instanceof HTMLElement && event.target.tagName === "INPUT") {
        event.target.blur();
        return;
      }
      if (isTyping(event)) return;
      const goes = performance.now() - prefix.current < 1_200;
      prefix.current = event.key === "g" ? performance.now() : Number.NEGATIVE_INFINITY;
      if (goes) {
        const place = event.key === "a" ? "/account" : PLACES.find(([, , key]) => key === event.key)?.[0];
        if (place) {
          event.preventDefault();
          event.stopImmediatePropagation();
          go(place);
          return;
        }
      }
      if (event.key === "?") help();
      else if (event.key === "c") go("/new");
      else if (event.key === "/") document.querySelector<HTMLInputElement>("main input")?.focus();
      else return;
      event.preventDefault();
    };
    window.addEventListener("keydown", onKey, true);
    return () => window.removeEventListener("keydown", onKey, true);
  }, [go, help]);
}

const THEMES = ["system", "light", "dark"] as const;

function Theme() {
  const [theme, setTheme] = useState<string>(() => document.documentElement.dataset.theme ?? "system");
  const next = THEMES[(THEMES.indexOf(theme as (typeof THEMES)[number]) + 1) % THEMES.length] ?? "system";
  return (
    <button
      type="button"
      className="plain"
      aria-label={`Theme: ${theme}; change to ${next}`}
      title={`Theme: ${theme}`}
      onClick={() => {
        setTheme(next);
        if (next === "system") {
          delete document.documentElement.dataset.theme;
          localStorage.removeItem("kiln.theme");
        } else {
          document.documentElement.dataset.theme = next;
          localStorage.setItem("kiln.theme", next);
        }
      }}
    >
      {theme === "dark" ? "☾" : theme === "light" ? "☀" : "◐"}
    </button>
  );
}

/** A page that breaks says so, and the others go on. */
class Guard extends Component<{ children: ReactNode }, { error: unknown }> {
  state = { error: undefined as unknown };
  static getDerivedStateFromError(error: unknown) {
    return { error };
  }
  render() {
    if (this.state.error === undefined) return this.props.children;
    return <Problem error={this.state.error} again={() => location.reload()} />;
  }
}
