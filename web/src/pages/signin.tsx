// Signing in with a token, which the server gives back as a cookie that no script can read.

import { useState } from "react";
import { client, value } from "../lib/api";
import { useSubmit, useTitle } from "../ui";

/** Text in base 64, whatever is in it. */
function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

export function SignIn({ onDone }: { onDone: () => void }) {
  const [token, setToken] = useState("");
  useTitle("Sign in");
  const { onSubmit, isBusy, refused } = useSubmit(async () => {
    await value(client.POST("/api/v1/session", { body: { token: base64(token.trim()) } }));
    setToken("");
    onDone();
  });

  return (
    <div>
      <div className="panel" style={{ maxWidth: "30rem", margin: "10vh auto 0" }}>
        <h1>Sign in to kiln</h1>
        <form onSubmit={onSubmit}>
          <p className="quiet">
            A token is made by <code>kiln token create NAME</code>. On the server's own machine, the
            administrator's is in the file <code>admin-token</code> of its data directory.
          </p>
          <label className="field">
            <span>Token</span>
            <input
              type="password"
              name="token"
              autoComplete="current-password"
              // biome-ignore lint/a11y/noAutofocus: there is nothing else on this page
              autoFocus
              required
              value={token}
              onChange={(event) => setToken(event.target.value)}
            />
          </label>
          {refused}
          <button className="first" type="submit" disabled={isBusy || token.trim() === ""}>
            Sign in
          </button>
        </form>
      </div>
    </div>
  );
}
