// The toolchains there are, and which agents have them.

import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { client, value } from "../lib/api";
import { useLive } from "../lib/live";
import { Empty, Loaded, Table, useTitle } from "../ui";

export default function Toolchains() {
  useTitle("Toolchains");
  useLive(true);
  const toolchains = useQuery({
    queryKey: ["toolchains"],
    queryFn: () => value(client.GET("/api/v1/toolchains")),
  });
  return (
    <>
      <div className="head">
        <h1>Toolchains</h1>
      </div>
      <Loaded of={toolchains}>
        {(data) =>
          data.items.length === 0 ? (
            <Empty title="There are no toolchains">
              <p>
                An operator names images in the server's <code>kiln.toml</code>, or leaves the catalogue in
                that comes with kiln.
              </p>
            </Empty>
          ) : (
            <div className="panel">
              <Table heads={["Toolchain", "For", "Compiler", "Agents that have it", ["Builds", "hidden"]]}>
                {data.items.map((toolchain) => {
                  const compilers = [...new Set(toolchain.agents.map((agent) => agent.compiler))];
                  return (
                    <tr key={toolchain.name}>
                      <td className="tight">
                        <strong>{toolchain.name}</strong>{" "}
                        {toolchain.default ? <span className="tag">default</span> : null}
                      </td>
                      <td className="mono">{toolchain.target}</td>
                      <td className="wrap">
                        {compilers.join("; ")}
                        {compilers.length > 1 ? <span className="is-error"> agents differ</span> : null}
                      </td>
                      <td className="wrap">
                        {toolchain.agents.length > 0 ? (
                          toolchain.agents.map((agent) => agent.agent_name).join(", ")
                        ) : (
                          <span className="quiet">
                            none; <code>kiln images build {toolchain.name}</code> on an agent makes it
                          </span>
                        )}
                      </td>
                      <td className="tight">
                        <Link href={`/?toolchain=${encodeURIComponent(toolchain.name)}`}>
                          Builds<span className="hidden"> with {toolchain.name}</span>
                        </Link>
                      </td>
                    </tr>
                  );
                })}
              </Table>
            </div>
          )
        }
      </Loaded>
    </>
  );
}
