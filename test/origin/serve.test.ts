/** `firn origin` as a process: which edges it serves, how it stops, and which Nix it refuses. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { test, type TestContext } from "node:test";
import { generateOriginKey } from "../../origin/channel/index.ts";
import { soon } from "../harness/soon.ts";
import { until } from "../harness/until.ts";
import { WELCOME } from "./channel/open.ts";
import { rudeEdge } from "./channel/rude-edge.ts";
import { directoryWith, needs, packageSet, system, temporary } from "./nix/support.ts";
import { tied } from "../../origin/process-tie.ts";

const MAIN = join(import.meta.dirname, "..", "..", "origin", "main.ts");
const limits = { ...needs("nix-build"), timeout: 120_000 };

interface Origin {
  readonly child: ChildProcess;
  /** Its exit code, or the signal that ended it. */
  ended(): Promise<number | string>;
  /** What it wrote to its log. */
  log(): string;
}

/** Starts an origin of a set of one package that takes a long time to build. */
function startOrigin(t: TestContext, edges: readonly string[], env: NodeJS.ProcessEnv): Origin {
  const directory = temporary(t);
  const keyFile = join(directory, "key");
  writeFileSync(keyFile, generateOriginKey().privateKey, { mode: 0o600 });
  const set = directoryWith(t, packageSet(`slow = mk "slow" "sleep 600";`));
  const [program, ...args] = tied("TERM", [process.execPath, MAIN, "origin"]);
  const child = spawn(program, args, {
    env: {
      ...process.env,
      FIRN_EDGES: edges.join(","),
      ORIGIN_NAME: "mine",
      ORIGIN_KEY_FILE: keyFile,
      PACKAGE_SET: `path:${set}`,
      STATE_DIR: join(directory, "state"),
      DISK_GC: "off",
      SYSTEMS: system,
      DRAIN: "0",
      S3_ENDPOINT: "http://127.0.0.1:9",
      S3_BUCKET: "none",
      S3_ACCESS_KEY_ID: "none",
      S3_SECRET_ACCESS_KEY: "none",
      ...env,
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  const exit = once(child, "exit") as Promise<[number | null, string | null]>;
  t.after(async () => {
    child.kill("SIGKILL");
    await exit;
  });
  return {
    child,
    ended: async () => {
      const [code, signal] = await soon("the origin ends", exit);
      return code ?? signal ?? "";
    },
    log: () => log,
  };
}

test(
  "it connects to all its edges; told to stop, it hands its jobs back, says bye to all, and ends",
  limits,
  async (t) => {
    const edges = [await rudeEdge(t), await rudeEdge(t)];
    const origin = startOrigin(
      t,
      edges.map(({ url }) => url.href),
      {},
    );
    const [first, second] = await Promise.all(edges.map((edge) => edge.connected()));
    assert.ok(first && second);
    for (const connection of [first, second]) {
      assert.match((await connection.heard("hello")).packageSet.id, /^path$/);
      connection.say(WELCOME);
    }
    const { revision } = await first.heard("revision");
    const scope = { packageSet: "path", revision, system, plan: "none" } as const;
    first.say({ type: "job", job: "1", items: [{ kind: "package", ...scope, name: "slow" }] });
    await first.heard("accepted");
    origin.child.kill("SIGTERM");
    await Promise.all([first.heard("bye"), second.heard("bye")]);
    assert.deepEqual(await first.heard("refused"), {
      type: "refused",
      job: "1",
      message: "this origin is stopping",
    });
    assert.equal(await origin.ended(), 0, origin.log());
  },
);

test(
  "two origins never share a state directory: the second waits for the first to end",
  limits,
  async (t) => {
    const state = { STATE_DIR: join(temporary(t), "state") };
    const edges = [await rudeEdge(t), await rudeEdge(t)];
    const [first, second] = edges.map(({ url }) => [url.href]);
    const before = startOrigin(t, first ?? [], state);
    await (await edges[0]!.connected()).heard("hello");
    const after = startOrigin(t, second ?? [], state);
    await until("the second waits", () => after.log().includes("waiting for another origin"));
    assert.match(after.log(), new RegExp(`process ${before.child.pid}`));
    before.child.kill("SIGKILL");
    await (await edges[1]!.connected()).heard("hello");
  },
);

/** Puts a nix-build first on PATH that says it is of this version, and does nothing else. */
function nixOf(t: TestContext, version: string): NodeJS.ProcessEnv {
  const bin = temporary(t);
  const program = join(bin, "nix-build");
  writeFileSync(program, `#!/bin/sh\necho 'nix-build (Nix) ${version}'\n`);
  chmodSync(program, 0o755);
  return { PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}` };
}

test("a Nix with a leaking sandbox does not serve an edge that strangers can reach", async (t) => {
  const env = nixOf(t, "2.28.5");
  const refused = startOrigin(t, ["https://edge.example"], env);
  assert.equal(await refused.ended(), 1);
  assert.match(refused.log(), /Nix 2\.28\.5 lets builds leave the sandbox.*edge\.example/);
});

test("… but it serves an edge on this machine", limits, async (t) => {
  const edge = await rudeEdge(t);
  startOrigin(t, [edge.url.href], { NIX_PATH: "" });
  await (await edge.connected()).heard("hello");
});
