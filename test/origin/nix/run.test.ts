import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../../origin/nix/run.ts";
import { script, temporary } from "./support.ts";

const env = { PATH: process.env["PATH"] ?? "" };

/** Waits until a condition holds; the test's own limit ends a wait that never does. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10));
}

const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0) && !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
};

test(
  "stdout and stderr are read at the same time, however much comes on either",
  { timeout: 60_000 },
  async (t) => {
    const program = script(
      t,
      "head -c 1000000 /dev/zero | tr '\\0' e | fold -w 100 >&2; head -c 1000000 /dev/zero | tr '\\0' o",
    );
    const lines: string[] = [];
    const { stdout, exitCode } = await run(program, [], {
      env,
      onLine: (line) => lines.push(line),
    });
    assert.equal(exitCode, 0);
    assert.equal(stdout.length, 1_000_000);
    assert.equal(lines.length, 10_000);
  },
);

test("arguments are an array, the environment is what was given, and there is nothing to read from", async (t) => {
  const program = script(t, "printf '%s|' \"$@\"; env; cat");
  const { stdout } = await run(program, ["$(id)", "; id", "a b"], {
    env: { ...env, ONLY: "this" },
  });
  assert.match(stdout, /^\$\(id\)\|; id\|a b\|/);
  const names =
    stdout
      .split("|")
      .at(-1)
      ?.trim()
      .split("\n")
      .map((line) => line.split("=")[0]) ?? [];
  assert.deepEqual(
    names.filter((name) => !["PWD", "_", "SHLVL", "OLDPWD"].includes(name ?? "")).sort(),
    ["ONLY", "PATH"],
  );
});

test("an exit code and a signal are told", async (t) => {
  const code = await run(script(t, "echo why >&2; exit 7"), [], { env });
  assert.deepEqual([code.exitCode, code.stderr, code.timedOut], [7, ["why"], false]);
  const killed = await run(script(t, "kill -9 $$"), [], { env });
  assert.deepEqual([killed.exitCode, killed.signalName], [null, "SIGKILL"]);
});

test("a timeout ends the whole process group", { timeout: 60_000 }, async (t) => {
  const pidFile = join(temporary(t), "pid");
  const program = script(t, `sleep 1000 & echo $! > ${pidFile}; wait`);
  const { timedOut } = await run(program, [], { env, timeout: 500 });
  assert.equal(timedOut, true);
  if (existsSync(pidFile)) await until(() => !alive(Number(readFileSync(pidFile, "utf8"))));
});

test(
  "an abort ends the group and rejects with the signal's reason, also when SIGTERM is ignored",
  { timeout: 60_000 },
  async (t) => {
    const pidFile = join(temporary(t), "pid");
    const program = script(t, `trap '' TERM; echo $$ > ${pidFile}; while :; do sleep 0.1; done`);
    const abort = new AbortController();
    const running = run(program, [], { env, signal: abort.signal });
    await until(() => existsSync(pidFile) && readFileSync(pidFile, "utf8").endsWith("\n"));
    abort.abort(new Error("nobody wants it"));
    await assert.rejects(running, /nobody wants it/);
    const pid = Number(readFileSync(pidFile, "utf8"));
    await until(() => !alive(pid));
  },
);

test("a program that is not there is an error that names it", async () => {
  await assert.rejects(run("firn-no-such-program", [], { env }), /firn-no-such-program/);
});

test("what was aborted before does not start", async (t) => {
  const mark = join(temporary(t), "mark");
  await assert.rejects(
    run("touch", [mark], { env, signal: AbortSignal.abort(new Error("too late")) }),
    /too late/,
  );
  assert.equal(existsSync(mark), false);
});
