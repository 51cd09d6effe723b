import assert from "node:assert/strict";
import { resolve } from "node:path";
import { test } from "node:test";
import { readSettings } from "../../../origin/local/settings.ts";

test("without variables: the starter set, on every address, port 8787, state in .firn", async () => {
  const settings = await readSettings({});
  assert.deepEqual(
    {
      port: settings.port,
      host: settings.host,
      stateDir: settings.stateDir,
      set: settings.packageSetText,
      worker: settings.worker,
    },
    { port: 8787, host: "0.0.0.0", stateDir: resolve(".firn"), set: "starter", worker: {} },
  );
});

test("variables for the Worker are handed on, empty ones are not", async () => {
  assert.deepEqual((await readSettings({ BUILD_WAIT: "5", ZSTD: "" })).worker, { BUILD_WAIT: "5" });
});

test("a relative directory of a path set becomes absolute", async () => {
  assert.equal(
    (await readSettings({ PACKAGE_SET: "path:some/dir" })).packageSetText,
    `path:${resolve("some/dir")}`,
  );
});

for (const [env, message] of [
  [{ PORT: "http" }, /^PORT is "http": give a whole number/],
  [{ PORT: "65536" }, /^PORT is "65536"/],
  [{ PORT: "-1" }, /^PORT is "-1"/],
  [{ HOST: "localhost" }, /^HOST is "localhost": give an IP address/],
  [{ PACKAGE_SET: "nixpkgs" }, /^PACKAGE_SET: .*starter, channel:/],
] as const) {
  test(`${JSON.stringify(env)} is refused, with the variable's name and what it may be`, async () => {
    await assert.rejects(readSettings(env), { message });
  });
}
