/** Storing what was built: nothing waits for it, and nothing is lost when it fails. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { after, test, type TestContext } from "node:test";
import type { CacheFile, Grant } from "../../../../edge/contract/bucket-requests.ts";
import { SignedRequests } from "../../../../origin/channel/index.ts";
import { Pusher } from "../../../../origin/nix/cache/pusher.ts";
import { readSigningKey } from "../../../../origin/nix/cache/signing-key.ts";
import { until } from "../../../harness/until.ts";
import { edgeHere } from "../../layers/edge-requests.ts";
import { buildOf, needs, quiet, temporary } from "../support.ts";

const KEY = readSigningKey(`rack-1:${Buffer.alloc(64, 1).toString("base64")}`);
const http = new SignedRequests(edgeHere());
after(() => http.close());
const limits = { ...needs("nix-build"), timeout: 60_000 };

/** A pusher of this directory; `store`: what the edge answers. */
function pusher(directory: string, store: (file: CacheFile) => Promise<Grant>) {
  const warnings: string[] = [];
  const files: string[] = [];
  const logger = {
    ...quiet,
    debug: () => {},
    warn: (_: unknown, message?: string) => void warnings.push(message ?? ""),
  };
  const cache = {
    store: (file: CacheFile) => {
      files.push(file.key);
      return store(file);
    },
  };
  return { warnings, files, pushing: new Pusher({ directory, key: KEY, cache, http, logger }) };
}

async function builtDerivation(t: TestContext): Promise<string> {
  const [outcome] = await buildOf(t, `one = program "one";`, ["one"]);
  const path = outcome?.kind === "built" ? outcome.package.storePath : "";
  return execFileSync("nix-store", ["--query", "--deriver", path], { encoding: "utf8" }).trim();
}

const present = (): Promise<Grant> => Promise.resolve({ kind: "present" });

test(
  "what could not be stored is told once, stays a root, and is stored by the next process",
  limits,
  async (t) => {
    const directory = temporary(t);
    const derivation = await builtDerivation(t);
    const first = pusher(directory, () => Promise.reject(new Error("the edge is away")));
    first.pushing.built([derivation]);
    await until("the failure is told", () => first.warnings.length > 0);
    await first.pushing.close();
    assert.equal(first.warnings.length, 1);
    const pending = join(directory, "pending");
    const [root = ""] = readdirSync(pending);
    assert.match(root, /-one$/);
    const roots = execFileSync("nix-store", ["--gc", "--print-roots"], { encoding: "utf8" });
    assert.ok(roots.includes(join(pending, root)), "Nix keeps it");

    const second = pusher(directory, present);
    await until("nothing is pending", () => readdirSync(pending).length === 0);
    await second.pushing.close();
    assert.deepEqual(
      second.files.map((key) => key.replace(/[0-9a-z]{32,64}/, "…")),
      ["cache/nar/….nar.zst", "cache/….narinfo"],
    );
  },
);

test(
  "a store path that is not as it was built is not stored, and keeps nothing else back",
  limits,
  async (t) => {
    const directory = temporary(t);
    const damaged: string[] = [];
    // As many as make it look as if nothing could be stored.
    for (let count = 0; count < 3; count += 1) damaged.push(await builtDerivation(t));
    const whole = await builtDerivation(t);
    for (const derivation of damaged) {
      const query = ["--query", "--outputs", derivation];
      const path = execFileSync("nix-store", query, { encoding: "utf8" }).trim();
      execFileSync("chmod", ["-R", "u+w", path]);
      execFileSync("sh", ["-c", 'echo more >> "$1/bin/one"', "sh", path]);
      t.after(() => execFileSync("nix-store", ["--delete", path]));
    }
    const { pushing, files, warnings } = pusher(directory, present);
    pushing.built(damaged);
    await until("the damage is told", () => warnings.length > 0);
    pushing.built([whole]);
    await until("the other one is stored", () => files.length === 2);
    await pushing.close();
    assert.equal(readdirSync(join(directory, "pending")).length, 3, "the damaged ones are left");
  },
);
