import react from "@vitejs/plugin-react";
import { loadEnv, type Plugin } from "vite";
import { defineConfig } from "vitest/config";

// Served from elsewhere, the page says by itself what it may do: its server's headers are somebody else's.
function policy(api: string | undefined): Plugin {
  return {
    name: "kiln-policy",
    apply: "build",
    transformIndexHtml() {
      if (!api) return [];
      const content =
        `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; ` +
        `connect-src ${api}; base-uri 'none'; form-action 'self' ${api}; ` +
        `require-trusted-types-for 'script'; trusted-types 'none'`;
      const attrs = { "http-equiv": "Content-Security-Policy", content };
      return [{ tag: "meta", attrs, injectTo: "head-prepend" }];
    },
  };
}

export default defineConfig(({ mode }) => {
  const api = loadEnv(mode, process.cwd()).VITE_API_HOSTNAME;
  const server = process.env.KILN_SERVER ?? "http://127.0.0.1:8000";
  return {
    plugins: [react(), policy(api && (api.includes("://") ? api : `https://${api}`))],
    build: {
      outDir: "dist/app",
      emptyOutDir: true,
      modulePreload: { polyfill: false },
      assetsInlineLimit: 0,
    },
    server: { proxy: { "/api": server, "/docs": server } },
    test: { environment: "jsdom", include: ["src/**/*.test.{ts,tsx}"], setupFiles: ["src/test.ts"] },
  };
});
