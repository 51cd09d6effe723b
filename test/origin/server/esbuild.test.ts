import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { execa } from "execa";
import { soon } from "../../harness/soon.ts";
import { until } from "../../harness/until.ts";

const BUNDLE = new URL("../../../origin/server/bundle.ts", import.meta.url).href;
const SITE = new URL("../../../origin/server/site.ts", import.meta.url).href;

/** Bundles all that `firn serve` does, and lives on. */
const SERVER = `
  import { tmpdir } from "node:os";
  import { mkdtemp, rm } from "node:fs/promises";
  import { bundleWorker, WORKER_ENTRY } from ${JSON.stringify(BUNDLE)};
  import { buildSite } from ${JSON.stringify(SITE)};
  const dir = await mkdtemp(tmpdir() + "/firn-esbuild-");
  console.log(bundleWorker(WORKER_ENTRY).length);
  await buildSite(dir);
  console.log(bundleWorker(WORKER_ENTRY).length);
  await rm(dir, { recursive: true });
  console.log("bundled");
  setInterval(() => {}, 60_000);`;

test("after bundling no process of esbuild is left", async () => {
  const server = spawn(process.execPath, ["--input-type=module", "--eval", SERVER], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(server, "exit");
  try {
    const lines = createInterface(server.stdout)[Symbol.asyncIterator]();
    const next = async (): Promise<string> =>
      String((await soon("it bundles", lines.next())).value);
    const first = await next();
    assert.equal(await next(), first, "the same again");
    assert.equal(await next(), "bundled");
    await until("no process of esbuild is left", async () => {
      const args = ["--ppid", String(server.pid), "-o", "args="];
      const { stdout } = await execa("ps", args, { reject: false });
      return !stdout.includes("esbuild");
    });
  } finally {
    server.kill("SIGKILL");
    await exit;
  }
});
