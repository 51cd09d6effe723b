import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { nixEnvironment } from "../../../origin/nix/settings.ts";
import { directoryWith, firnOrigin, packageSet, temporary } from "./support.ts";

test("a call of Nix has the variables that it needs, and nothing else of this process", (t) => {
  const set = (name: string, value: string): void => {
    const before = process.env[name];
    process.env[name] = value;
    t.after(() => {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    });
  };
  set("S3_SECRET_ACCESS_KEY", "secret");
  set("NIX_PATH", "nixpkgs=/elsewhere");
  set("NIX_REMOTE", "daemon");
  set("https_proxy", "http://proxy.example");
  const stateDir = temporary(t);
  const local = nixEnvironment({ stateDir, nixConfig: "sandbox = true" });
  assert.equal(local["HOME"], `${stateDir}/home`);
  assert.equal(local["NIX_REMOTE"], "daemon");
  assert.equal(local["NIX_CONFIG"], "sandbox = true");
  for (const name of ["S3_SECRET_ACCESS_KEY", "NIX_PATH", "https_proxy"])
    assert.equal(local[name], undefined, name);
  const network = nixEnvironment({ stateDir }, { network: true });
  assert.equal(network["https_proxy"], "http://proxy.example");
  assert.equal(network["S3_SECRET_ACCESS_KEY"], undefined);
});

test("NIX_TIMEOUT reaches the calls of Nix of an origin", { timeout: 60_000 }, async (t) => {
  const origin = firnOrigin(
    t,
    { "nix-build": "echo 'nix-build (Nix) 2.31.4'", "nix-instantiate": "exec sleep 1000" },
    {
      FIRN_EDGES: "ws://127.0.0.1:1",
      PACKAGE_SET: `path:${directoryWith(t, packageSet(""))}`,
      NIX_TIMEOUT: "1",
    },
  );
  const lines: string[] = [];
  for await (const line of createInterface({ input: origin.stderr })) {
    lines.push(line);
    if (/cannot be copied into the store/.test(line)) origin.kill();
  }
  assert.match(lines.join("\n"), /cannot be copied into the store: it took longer than 1 s/);
});
