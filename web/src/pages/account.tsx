// Who one is here, one's tokens, and the way out.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useContext, useState } from "react";
import { client, type Role, type Token, value } from "../lib/api";
import { Act, Copy, Loaded, Table, Time, useMay, useSubmit, useTitle, WhoContext } from "../ui";
import { SignIn } from "./signin";

const MAY: Record<string, string> = {
  read: "see builds, logs, artifacts, projects, agents and queues",
  submit: "also submit, cancel and retry builds",
  admin: "also change the farm: tokens, agents, queues and projects",
};

export default function Account() {
  useTitle("Account");
  const who = useContext(WhoContext);
  const queries = useQueryClient();
  const may = useMay("admin");
  if (!who) return null;
  // Where everybody may read, one can still be somebody.
  if (who.who === "anonymous") return <SignIn onDone={() => location.assign("/")} />;
  return (
    <>
      <div className="head">
        <h1>{who.who.replace(/^user:/, "")}</h1>
        <div className="actions">
          <Act
            touches={[]}
            run={() => value(client.DELETE("/api/v1/session"))}
            then={() => {
              queries.clear();
              location.assign("/");
            }}
          >
            Sign out
          </Act>
        </div>
      </div>
      <section className="panel">
        <dl className="facts">
          <dt>Role</dt>
          <dd>
            {who.role}: may {MAY[who.role]}
          </dd>
          <dt>Projects</dt>
          <dd>{who.projects ? who.projects.join(", ") || "none" : "all"}</dd>
        </dl>
      </section>
      {may && !who.projects ? <Tokens /> : null}
    </>
  );
}

function Tokens() {
  const tokens = useQuery({ queryKey: ["tokens"], queryFn: () => value(client.GET("/api/v1/tokens")) });
  return (
    <section className="panel">
      <h2>Tokens</h2>
      <Loaded of={tokens}>
        {(data) => <TokenTable tokens={data.items.filter((token) => !token.revoked_at)} />}
      </Loaded>
      <NewToken />
    </section>
  );
}

function TokenTable({ tokens }: { tokens: Token[] }) {
  if (tokens.length === 0) return <p className="quiet">There are none yet.</p>;
  return (
    <Table heads={["Token", "Role", "Projects", "Used", "Ends", ["Actions", "hidden"]]}>
      {tokens.map((token) => (
        <tr key={token.id}>
          <td>
            {token.owner}/{token.name}
          </td>
          <td>{token.role}</td>
          <td>{token.projects ? token.projects.join(", ") : "all"}</td>
          <td>{token.used_at ? <Time at={token.used_at} /> : "never"}</td>
          <td>{token.expires_at ? <Time at={token.expires_at} /> : "never"}</td>
          <td className="tight">
            <Act
              className="danger"
              touches={["tokens"]}
              confirm={`Whoever uses ${token.owner}/${token.name} is signed out at once.`}
              run={() =>
                value(client.DELETE("/api/v1/tokens/{token}", { params: { path: { token: token.id } } }))
              }
            >
              Revoke<span className="hidden"> {token.name}</span>
            </Act>
          </td>
        </tr>
      ))}
    </Table>
  );
}

function NewToken() {
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [owner, setOwner] = useState("");
  const [role, setRole] = useState<Role>("submit");
  const [made, setMade] = useState("");
  const { onSubmit, refused } = useSubmit(async () => {
    setMade("");
    const answer = await value(
      client.POST("/api/v1/tokens", { body: { name: name.trim(), role, owner: owner.trim() || null } }),
    );
    setMade(answer.token);
    setName("");
    await queries.invalidateQueries({ queryKey: ["tokens"] });
  });
  return (
    <form onSubmit={onSubmit}>
      <h3>A new token</h3>
      <div className="actions">
        <input
          type="text"
          aria-label="Name of the token"
          placeholder="Name"
          required
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <input
          type="text"
          aria-label="Owner"
          placeholder="Owner (you)"
          value={owner}
          onChange={(event) => setOwner(event.target.value)}
        />
        <select aria-label="Role" value={role} onChange={(event) => setRole(event.target.value as Role)}>
          <option value="read">read</option>
          <option value="submit">submit</option>
          <option value="admin">admin</option>
        </select>
        <button type="submit" disabled={name.trim() === ""}>
          Make it
        </button>
      </div>
      {refused}
      {made ? (
        <div className="says is-success" role="status">
          It is not shown again: <code className="wrap">{made}</code> <Copy text={made} />
        </div>
      ) : null}
    </form>
  );
}
