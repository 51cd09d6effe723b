/** What servers write where nobody can take it: they go on. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { generateOriginKey } from "../../origin/channel/index.ts";
import { freePort } from "../../origin/local/ports.ts";
import { soon } from "../harness/soon.ts";
import { until } from "../harness/until.ts";
import { WELCOME } from "./channel/open.ts";
import { rudeEdge } from "./channel/rude-edge.ts";
import { directoryWith, needs, packageSet, system, temporary } from "./nix/support.ts";

const MAIN = join(import.meta.dirname, "../../origin/main.ts");
const LINES = new URL("../../origin/output-lines.ts", import.meta.url).href;

/** A process whose output goes to this file; it ends with the test. */
function start(
  t: TestContext,
  args: readonly string[],
  { output, env = {} }: { readonly output: string; readonly env?: NodeJS.ProcessEnv },
): ChildProcess {
  const file = openSync(output, "a");
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", file, file, "ipc"],
  });
  closeSync(file);
  const exit = once(child, "exit");
  t.after(async () => {
    child.kill("SIGKILL");
    await exit;
  });
  return child;
}

/** Every write to it fails: no space left on device. */
const FULL = "/dev/full";

test("lines are lost on a full disk and to a reader that has gone, and written when they can be", async (t) => {
  const script = `
    import { writeOutput } from ${JSON.stringify(LINES)};
    for (let n = 0; n < 1_000; n++) writeOutput(1, "x".repeat(1_000) + "\\n");
    process.send("goes on");
    writeOutput(1, "last\\n");`;
  const full = start(t, ["--input-type=module", "--eval", script], { output: FULL });
  assert.deepEqual(await soon("it goes on", once(full, "message")), ["goes on", undefined]);
  assert.deepEqual(await soon("it ends", once(full, "exit")), [0, null]);

  const piped = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  await once(piped.stdout!, "data");
  piped.stdout!.destroy();
  assert.deepEqual(await soon("it ends", once(piped, "exit")), [0, null]);

  const read = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  let text = "";
  for await (const chunk of read.stdout!) text += String(chunk);
  assert.equal(text.length, 1_001_000 + "last\n".length);
  assert.ok(text.endsWith("last\n"));
});

test(
  "an origin whose log is on a full disk connects, and stops in order",
  { ...needs("nix-build"), timeout: 120_000 },
  async (t) => {
    const edge = await rudeEdge(t);
    const directory = temporary(t);
    const keyFile = join(directory, "key");
    writeFileSync(keyFile, generateOriginKey().privateKey);
    const child = start(t, [MAIN, "origin"], {
      output: FULL,
      env: {
        FIRN_EDGES: edge.url.href,
        ORIGIN_NAME: "mine",
        ORIGIN_KEY_FILE: keyFile,
        PACKAGE_SET: `path:${directoryWith(t, packageSet(""))}`,
        STATE_DIR: join(directory, "state"),
        DISK_GC: "off",
        SYSTEMS: system,
        DRAIN: "0",
        LOG_LEVEL: "trace",
      },
    });
    const connection = await edge.connected();
    await connection.heard("hello");
    connection.say(WELCOME);
    await connection.heard("revision");
    child.kill("SIGTERM");
    assert.deepEqual(await soon("it ends", once(child, "exit")), [0, null]);
  },
);

test("an edge whose output is on a full disk serves, and stops in order", async (t) => {
  const port = await freePort();
  const child = start(t, [MAIN, "serve", "--port", String(port)], {
    output: FULL,
    env: { FIRN_STATE: join(temporary(t), "state"), BUCKET_PORT: String(await freePort()) },
  });
  await until("it serves", async () => {
    assert.equal(child.exitCode, null, "it has ended");
    return fetch(`http://127.0.0.1:${port}/v2/`).then(
      (answer) => answer.ok,
      () => false,
    );
  });
  child.kill("SIGTERM");
  assert.deepEqual(await soon("it ends", once(child, "exit")), [0, null]);
});
