import { defineConfig } from "vite";

export default defineConfig({
  // JSX becomes preact calls; no plugin is needed for that.
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    // The manifest tells which file is loaded first and which on demand; budgets read it.
    manifest: true,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  server: { proxy: { "/api": "http://127.0.0.1:8000" } },
});
