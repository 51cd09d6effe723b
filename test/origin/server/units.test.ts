/** The units of systemd, as systemd itself reads them. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { execa } from "execa";
import { unavailable } from "../../harness/available.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";

const EXAMPLES = join(import.meta.dirname, "../../../origin/server/examples");
const UNITS = ["firn.service", "firn.socket", "firn-origin.service"];
/** `systemd-analyze security` gives 0 to 10; of a service without any hardening 9.6. */
const MOST_EXPOSED: Readonly<Record<string, number>> = {
  "firn.service": 5.5,
  "firn-origin.service": 2,
};

const skip = await unavailable([
  { command: "systemd-analyze", debian: "systemd", purpose: "reads units" },
]);

test(
  "systemd reads the units without a complaint, and finds them well confined",
  { skip },
  async () => {
    const root = await tempDir("units");
    try {
      for (const unit of UNITS) {
        const text = await readFile(join(EXAMPLES, unit), "utf8");
        // Its programs need not be on this machine.
        const here = text
          .replace(/^ExecStart=\S+/m, "ExecStart=/bin/true")
          .replace(/\/opt\/firn\b/g, "/");
        await writeFile(join(root, unit), here);
      }
      const paths = UNITS.map((unit) => join(root, unit));
      const verified = await execa(
        "systemd-analyze",
        ["verify", "--recursive-errors=no", ...paths],
        {
          all: true,
          reject: false,
        },
      );
      const about = verified.all
        .split("\n")
        .filter((line) => UNITS.some((unit) => line.includes(unit)));
      assert.deepEqual(about, []);
      assert.equal(verified.exitCode, 0, verified.all);
      for (const [unit, most] of Object.entries(MOST_EXPOSED)) {
        const args = ["security", "--offline=true", "--no-pager", join(root, unit)];
        const { stdout } = await execa("systemd-analyze", args);
        const exposure = Number(/Overall exposure level for .*?: ([\d.]+)/.exec(stdout)?.[1]);
        assert.ok(exposure <= most, stdout);
      }
    } finally {
      await removeTree(root);
    }
  },
);

test("an origin's jobs may finish when it is stopped, and outlive a process that runs out of memory", async () => {
  const unit = await readFile(join(EXAMPLES, "firn-origin.service"), "utf8");
  // By default systemd tells nix-build to stop as well, and stops all when the kernel kills one.
  assert.match(unit, /^KillMode=mixed$/m);
  assert.match(unit, /^OOMPolicy=continue$/m);
  const stop = Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]);
  assert.ok(stop > 60 + 2 * 5, "DRAIN, then handing back");
});
