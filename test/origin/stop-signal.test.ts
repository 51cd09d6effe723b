import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { until } from "../harness/until.ts";

const SCRIPT = `
import { stopSignal } from ${JSON.stringify(new URL("../../origin/stop-signal.ts", import.meta.url).href)};
const signal = stopSignal();
stopSignal(); // a part of the command that has its own takes it from nobody
signal.addEventListener("abort", () => console.log("stopping"));
process.stdin.on("data", () => console.log("alive"));
console.log("started");`;

test("signals that come together are one request to stop; a later one ends the process", async () => {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", SCRIPT], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exit = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => (await lines.next()).value;
  try {
    assert.equal(await next(), "started");
    child.kill("SIGINT");
    child.kill("SIGTERM");
    child.kill("SIGINT");
    assert.equal(await next(), "stopping");
    child.stdin.write("?");
    assert.equal(await next(), "alive");
    await until("ended", () => child.signalCode !== null || !child.kill("SIGINT"));
    await exit;
    assert.equal(child.signalCode, "SIGINT");
  } finally {
    child.kill("SIGKILL");
  }
});
