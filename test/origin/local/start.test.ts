/** `npm start` as a person meets it: the command as a process. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { firnUnavailable } from "../../harness/firn.ts";
import { pullImage } from "../../harness/registry-client.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";
import { type TinySet, tinySet } from "../../system/tiny-set.ts";

const MAIN = fileURLToPath(new URL("../../../origin/main.ts", import.meta.url));
const skip = await firnUnavailable();

const isOrigin = async (pid: number): Promise<boolean> =>
  (await readFile(`/proc/${pid}/cmdline`, "utf8")).includes("origin/main.ts\0origin");

class Run {
  readonly lines: string[] = [];
  readonly child: ChildProcess;
  readonly #waiting = new Set<() => void>();

  constructor(env: Readonly<Record<string, string>>) {
    this.child = spawn(process.execPath, [MAIN, "start"], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on("line", (line) => {
        this.lines.push(line);
        for (const look of this.#waiting) look();
      });
    }
    this.child.once("close", () => {
      for (const look of this.#waiting) look();
    });
  }

  /** The first line that matches; throws with everything said when the process ends without it. */
  line(pattern: RegExp): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const look = (): void => {
      const found = this.lines.find((line) => pattern.test(line));
      if (found !== undefined) resolve(found);
      else if (this.child.exitCode !== null || this.child.signalCode !== null)
        reject(new Error(`it ended without ${pattern}:\n${this.lines.join("\n")}`));
    };
    this.#waiting.add(look);
    look();
    return promise.finally(() => this.#waiting.delete(look));
  }

  /** `http://127.0.0.1:…` of the line that says that pulls work. */
  async ready(): Promise<string> {
    return (await this.line(/^ready: /)).slice("ready: ".length);
  }

  /** The numbers of its child processes. */
  async children(): Promise<number[]> {
    return (await readFile(`/proc/${this.child.pid}/task/${this.child.pid}/children`, "utf8"))
      .trim()
      .split(" ")
      .filter(Boolean)
      .map(Number);
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const closed = once(this.child, "close");
      this.child.kill(signal);
      await closed;
    }
    return this.child.exitCode;
  }
}

describe("npm start", { skip }, () => {
  let root: string;
  let state: string;
  let set: TinySet;
  let runs: Run[];
  beforeEach(async () => {
    root = await tempDir("start");
    state = join(root, "state");
    set = await tinySet(root, 'snow = program "snow";');
    runs = [];
  });
  afterEach(async (context) => {
    if ("passed" in context && !context.passed)
      for (const run of runs) process.stderr.write(`${run.lines.join("\n")}\n`);
    await Promise.all(runs.map((run) => run.end("SIGTERM")));
    await removeTree(root);
  });
  const start = (env: Readonly<Record<string, string>> = {}): Run => {
    const run = new Run({
      PORT: "0",
      HOST: "127.0.0.1",
      FIRN_STATE: state,
      PACKAGE_SET: set.spec,
      ...set.originEnv,
      ...env,
    });
    runs.push(run);
    return run;
  };

  test("says when pulls work, with an example; Ctrl-C stops everything; starting again keeps what was built", async () => {
    const first = start();
    const url = await first.ready();
    assert.match(
      await first.line(/docker pull/),
      new RegExp(`docker pull ${new URL(url).host}/shell/git/curl`),
    );
    const { digest } = await pullImage(url, "snow");
    const children = await first.children();
    assert.ok(children.length >= 2, "workerd and the origin");
    assert.equal(await first.end("SIGINT"), 0);
    for (const pid of children)
      assert.throws(() => process.kill(pid, 0), { code: "ESRCH" }, `process ${pid} is still there`);
    await assert.rejects(fetch(url));
    assert.ok(!(await readdir(state)).includes("lock"));

    const builds = (await set.builds()).length;
    const second = start();
    assert.equal((await pullImage(await second.ready(), "snow")).digest, digest);
    assert.equal((await set.builds()).length, builds, "nothing was built again");
  });

  test("a second one on the same state is refused, and so is a port in use; both say what to do", async () => {
    const first = start();
    const url = await first.ready();
    await assert.rejects(start().ready(), /in use by process \d+.*FIRN_STATE=/);
    const { port } = new URL(url);
    await assert.rejects(
      start({ FIRN_STATE: join(root, "other"), PORT: port }).ready(),
      new RegExp(`port ${port} of 127.0.0.1 is in use.*PORT=`),
    );
    assert.equal((await fetch(`${url}/v2/`)).status, 200, "the first one goes on");
  });

  test("an origin that dies is started again, and that is said", async () => {
    const run = start();
    const url = await run.ready();
    for (const pid of await run.children()) if (await isOrigin(pid)) process.kill(pid, "SIGKILL");
    await run.line(/the origin ended \(SIGKILL\); it is started again in 0.5 s/);
    await pullImage(url, "cacert");
    while (run.lines.filter((line) => /connected to the edge/.test(line)).length < 2)
      await once(run.child.stdout!, "data");
    await pullImage(url, "snow");
  });

  test("a wrong setting is one line that names it", async () => {
    const run = start({ PORT: "all" });
    await assert.rejects(run.ready(), /firn: PORT is "all": give a whole number/);
    assert.equal(run.child.exitCode, 1);
  });
});
