/** A garbage collection by somebody else, at the worst moment. */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { which } from "../../../../origin/local/needs.ts";
import { buildOf, needs, summary, temporary } from "../support.ts";

test(
  "a derivation that is collected before nix-build has begun with it is made again",
  { ...needs("nix-build"), timeout: 60_000 },
  async (t) => {
    const bin = temporary(t);
    const flag = join(bin, "deleted");
    const real = await which("nix-build");
    const shim = `#!/bin/sh
if [ ! -e '${flag}' ]; then
  touch '${flag}'
  for argument; do
    case $argument in *.drv!*) nix-store --delete "\${argument%%!*}" >&2 || rm '${flag}';; esac
  done
fi
exec '${real}' "$@"
`;
    writeFileSync(join(bin, "nix-build"), shim, { mode: 0o755 });
    const path = process.env["PATH"] ?? "";
    process.env["PATH"] = `${bin}${delimiter}${path}`;
    t.after(() => (process.env["PATH"] = path));
    const outcomes = await buildOf(t, `one = program "one";`, ["one"]);
    assert.ok(existsSync(flag), "its derivation was deleted");
    assert.deepEqual(summary(outcomes), { one: "one" });
  },
);
