import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { lockState } from "../../../origin/local/lock.ts";

let stateDir: string;
before(async () => {
  stateDir = await mkdtemp(join(tmpdir(), "firn-lock-"));
});
after(() => rm(stateDir, { recursive: true, force: true }));

test("a second one on the same state is refused and told by whom; given back, it is free", async () => {
  const unlock = await lockState(stateDir);
  await assert.rejects(
    lockState(stateDir),
    new RegExp(`in use by process ${process.pid}.*FIRN_STATE=`),
  );
  await unlock();
  await (
    await lockState(stateDir)
  )();
  assert.deepEqual(await readdir(stateDir), []);
});

test("a holder that died, or whose number another process has now, holds nothing", async () => {
  for (const stale of ["4194303 1", `${process.pid} 1`, "", "nonsense"]) {
    await writeFile(join(stateDir, "lock"), stale);
    await (
      await lockState(stateDir)
    )();
  }
});
