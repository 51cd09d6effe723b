import assert from "node:assert/strict";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { lockState } from "../../../origin/local/lock.ts";
import { soon } from "../../harness/soon.ts";

let stateDir: string;
before(async () => {
  stateDir = await mkdtemp(join(tmpdir(), "firn-lock-"));
});
after(() => rm(stateDir, { recursive: true, force: true }));

test("a second one on the same state is refused and told by whom; given back, it is free", async () => {
  const unlock = await lockState(stateDir);
  await assert.rejects(
    lockState(stateDir),
    new RegExp(`in use by process ${process.pid}:.*FIRN_STATE=`),
  );
  unlock();
  (await lockState(stateDir))();
});

test("what a holder that died has left holds nothing, whatever it says", async () => {
  for (const stale of ["4194303", "1", String(process.pid), "", "nonsense"]) {
    await writeFile(join(stateDir, "lock"), stale);
    (await lockState(stateDir))();
  }
});

const LOCK = new URL("../../../origin/local/lock.ts", import.meta.url).href;
/** Tries to lock each directory that it is told, says how that went, and keeps what it got. */
const STARTER = `
  import { createInterface } from "node:readline";
  import { lockState } from ${JSON.stringify(LOCK)};
  console.log("ready");
  for await (const line of createInterface(process.stdin))
    console.log(await lockState(line).then(() => "locked", (error) => error.message));`;

/** A process that locks what it is told; the answer is its next line. */
async function starter(t: TestContext) {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", STARTER], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exit = once(child, "exit");
  t.after(async () => {
    child.kill("SIGKILL");
    await exit;
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value } = await soon("an answer of a starter", lines.next());
    return String(value);
  };
  assert.equal(await next(), "ready");
  return {
    pid: child.pid,
    tell: (line: string): void => void child.stdin.write(`${line}\n`),
    next,
    async kill() {
      child.kill("SIGKILL");
      await exit;
    },
  };
}

test("who waits for the holder gets it when that ends, and waits no longer than it may", async (t) => {
  const directory = join(stateDir, "waited");
  const holder = await starter(t);
  holder.tell(directory);
  assert.equal(await holder.next(), "locked");
  const variable = "STATE_DIR";
  const inUse = new RegExp(`in use by process ${holder.pid}:.*STATE_DIR=`);
  await assert.rejects(lockState(directory, { variable, waitMs: 300 }), inUse);
  const stop = new AbortController();
  const onWait = (): void => stop.abort(new Error("told to stop"));
  const stopped = lockState(directory, { variable, waitMs: 60_000, signal: stop.signal, onWait });
  await assert.rejects(stopped, /told to stop/);
  const waiting: string[] = [];
  const unlock = await lockState(directory, {
    waitMs: 60_000,
    onWait(name) {
      waiting.push(name);
      void holder.kill();
    },
  });
  unlock();
  assert.deepEqual(waiting, [`process ${holder.pid}`]);
});

test("of many that start at once beside a stale lock one gets it, and one more when that is killed", async (t) => {
  const starters = await Promise.all(Array.from({ length: 8 }, () => starter(t)));
  const winners = new Map<string, (typeof starters)[number]>();
  for (let round = 0; round < 40; round++) {
    const directory = join(stateDir, String(round));
    await mkdir(directory);
    await writeFile(join(directory, "lock"), "4194303 1");
    for (const each of starters) each.tell(directory);
    const answers = await Promise.all(starters.map((each) => each.next()));
    const won = starters.filter((_, at) => answers[at] === "locked");
    assert.equal(won.length, 1, answers.join("\n"));
    for (const answer of answers)
      if (answer !== "locked") assert.match(answer, /in use by (process \d+|another process):/);
    if (won[0] !== undefined) winners.set(directory, won[0]);
  }
  const [[directory, winner] = []] = winners;
  assert.ok(directory !== undefined && winner !== undefined);
  await winner.kill();
  const others = starters.filter((each) => each !== winner);
  for (const each of others) each.tell(directory);
  const answers = await Promise.all(others.map((each) => each.next()));
  assert.equal(answers.filter((answer) => answer === "locked").length, 1, answers.join("\n"));
});
