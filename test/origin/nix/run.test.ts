import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { run } from "../../../origin/nix/run.ts";
import { canTie } from "../../../origin/process-tie.ts";
import { script, temporary } from "./support.ts";

const env = { PATH: process.env["PATH"] ?? "" };
const limit = { timeout: 60_000 };

/** Longest wait for a process to be gone, ms: the grace after SIGTERM and much more. */
const PATIENCE = 30_000;

const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0) && !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
};

async function assertGone(pid: number, what: string): Promise<void> {
  for (const end = Date.now() + PATIENCE; alive(pid);) {
    assert.ok(Date.now() < end, `${what} (${pid}) is still running`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * A program that starts `grandchild` with the words before it and waits. The grandchild prints its
 * id to stderr when it is ready; whatever is left of it goes with the test.
 */
function withGrandchild(t: TestContext, grandchild: string, before = "") {
  const program = script(t, `${before} sh -c '${grandchild}' & wait`);
  let found = 0;
  t.after(() => {
    if (found > 0 && alive(found)) process.kill(found, "SIGKILL");
  });
  const started = Promise.withResolvers<number>();
  const onLine = (line: string): void => {
    found = Number(/^grandchild (\d+)$/.exec(line)?.[1]);
    assert.ok(alive(found), `the grandchild ${found} is not running`);
    started.resolve(found);
  };
  const isReady = (): boolean => found > 0;
  return {
    program,
    started: started.promise,
    onLine,
    /** Runs it with a timeout, longer and longer until the grandchild is ready before it. */
    async runUntilTimeout(): Promise<void> {
      for (let timeout = 1_000; !isReady(); timeout *= 2) {
        const { timedOut } = await run(program, [], { env, timeout, onLine });
        assert.equal(timedOut, true);
      }
    },
  };
}

test(
  "stdout and stderr are read at the same time, however much comes on either",
  limit,
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

test("stdout can be taken line by line", limit, async (t) => {
  const lines: string[] = [];
  const program = script(t, "printf 'one\\ntwo\\nthree'");
  const { stdout } = await run(program, [], { env, onOutput: (line) => lines.push(line) });
  assert.deepEqual([lines, stdout], [["one", "two", "three"], ""]);
});

test(
  "arguments are an array, the environment is what was given, stdin is empty",
  limit,
  async (t) => {
    const program = script(t, "printf '%s|' \"$@\"; env; cat");
    const { stdout } = await run(program, ["$(id)", "; id", "a b"], {
      env: { ...env, ONLY: "this" },
    });
    assert.match(stdout, /^\$\(id\)\|; id\|a b\|/);
    const variables = stdout.split("|").at(-1)?.trim().split("\n") ?? [];
    const names = variables.map((line) => line.split("=")[0] ?? "");
    assert.deepEqual(
      names.filter((name) => !["PWD", "_", "SHLVL", "OLDPWD"].includes(name)).sort(),
      ["ONLY", "PATH"],
    );
  },
);

test(
  "the result has the exit code or the signal, and the last lines of stderr",
  limit,
  async (t) => {
    const code = await run(script(t, "echo why >&2; exit 7"), [], { env });
    assert.deepEqual([code.exitCode, code.stderr, code.timedOut], [7, ["why"], false]);
    const killed = await run(script(t, "kill -9 $$"), [], { env });
    assert.deepEqual([killed.exitCode, killed.signalName], [null, "SIGKILL"]);
  },
);

const SLEEP = `echo "grandchild $$" >&2; exec sleep 1000`;
const FORMS: readonly { readonly grandchild: string; readonly start: string }[] = [
  { grandchild: "that holds the pipes", start: SLEEP },
  {
    grandchild: "that ignores SIGTERM and holds no pipe",
    start: `trap "" TERM; ${SLEEP} >/dev/null 2>&1`,
  },
];

for (const { grandchild, start } of FORMS) {
  test(`a timeout ends a grandchild ${grandchild}`, limit, async (t) => {
    const { started, runUntilTimeout } = withGrandchild(t, start);
    await runUntilTimeout();
    await assertGone(await started, "the grandchild");
  });

  test(`an abort ends a grandchild ${grandchild}`, limit, async (t) => {
    const { program, started, onLine } = withGrandchild(t, start);
    const abort = new AbortController();
    const running = run(program, [], { env, signal: abort.signal, onLine });
    const pid = await started;
    abort.abort(new Error("no longer needed"));
    await assert.rejects(running, /no longer needed/);
    await assertGone(pid, "the grandchild");
  });
}

test("a program that ignores SIGTERM is killed", limit, async (t) => {
  const program = script(t, "trap '' TERM; echo ready >&2; while :; do sleep 0.1; done");
  const abort = new AbortController();
  const onLine = (): void => abort.abort(new Error("no longer needed"));
  await assert.rejects(run(program, [], { env, signal: abort.signal, onLine }), /no longer needed/);
});

test("a process that left the group and holds the pipes delays no timeout", limit, async (t) => {
  await withGrandchild(t, SLEEP, "setsid").runUntilTimeout();
});

/** A process of its own that calls `run` with the program; `main` is its other code. */
function otherProcess(t: TestContext, program: string, main = "") {
  const module = new URL("../../../origin/nix/run.ts", import.meta.url);
  const child = spawn(
    process.execPath,
    [
      "--input-type=module",
      "--eval",
      `import { run } from "${module}"; ${main}
       const onLine = (line) => console.log(line);
       const { exitCode } = await run(process.argv[1], [], { env: process.env, onLine });
       console.log("ended", exitCode);`,
      program,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  t.after(() => child.kill("SIGKILL"));
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
}

for (const [how, main] of [
  ["is ended by SIGTERM", ""],
  ["exits", `process.on("SIGTERM", () => process.exit(1));`],
] as const) {
  test(`what runs is ended when this process ${how}`, limit, async (t) => {
    const { program, onLine, started } = withGrandchild(t, SLEEP);
    const { child, lines } = otherProcess(t, program, main);
    onLine((await lines.next()).value ?? "");
    child.kill("SIGTERM");
    await once(child, "exit");
    await assertGone(await started, "the grandchild");
  });
}

test(
  "a process that handles SIGTERM itself goes on, and so does what it runs",
  limit,
  async (t) => {
    const gate = join(temporary(t), "gate");
    const program = script(t, `echo ready >&2; while ! [ -e ${gate} ]; do sleep 0.05; done`);
    const { child, lines } = otherProcess(
      t,
      program,
      `import { writeFileSync } from "node:fs"; process.on("SIGTERM", () => writeFileSync("${gate}", ""));`,
    );
    assert.equal((await lines.next()).value, "ready");
    child.kill("SIGTERM");
    assert.equal((await lines.next()).value, "ended 0");
  },
);

test("a program that does not exist is an error that names it", limit, async () => {
  await assert.rejects(run("firn-no-such-program", [], { env }), /firn-no-such-program/);
});

test("after an abort nothing is started", limit, async (t) => {
  const mark = join(temporary(t), "mark");
  await assert.rejects(
    run("touch", [mark], { env, signal: AbortSignal.abort(new Error("too late")) }),
    /too late/,
  );
  assert.equal(existsSync(mark), false);
});

test(
  "a program does not outlive a process that is killed",
  { ...limit, skip: canTie ? false : "needs setpriv and setsid of util-linux" },
  async (t) => {
    const program = script(t, "echo $$ >&2; trap '' PIPE; while :; do sleep 1; done");
    const caller = `
      import { run } from ${JSON.stringify(new URL("../../../origin/nix/run.ts", import.meta.url).href)};
      await run(process.argv[1], [], { env: process.env, onLine: (line) => console.log(line) });`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", caller, program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(createInterface(child.stdout), "line")) as [string];
    const pid = Number(line);
    t.after(() => alive(pid) && process.kill(pid, "SIGKILL"));
    assert.ok(alive(pid));
    child.kill("SIGKILL");
    await assertGone(pid, "the program");
  },
);
