/**
 * What a test run leaves behind: temporary directories, processes, files in the tree. Everything
 * that the tests start inherits a TMPDIR of the run's own, and a variable by which it is found.
 */
import { randomUUID } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";

const MARK = "FIRN_TEST_RUN";
/** Variable: a directory of the run's own for what its test files share; removed with the run. */
export const RUN_CACHE = "FIRN_TEST_CACHE";
const CACHE = "cache";
/** How long what was told to end may take to do so, milliseconds. */
const END_LIMIT = 10_000;
const POLL = 100;

export interface Watch {
  /** What was left, one sentence each; the directory of the run is removed. */
  leftovers(): Promise<string[]>;
}

/** Begins to watch: sets TMPDIR and the mark for all processes that this one starts. */
export async function watchLeftovers(root: string): Promise<Watch> {
  // Short: a Unix socket's path has at most 107 characters.
  const directory = await mkdtemp(join(tmpdir(), "firn-t-"));
  const mark = `${MARK}=${randomUUID()}`;
  process.env["TMPDIR"] = directory;
  process.env[RUN_CACHE] = join(directory, CACHE);
  // Node strips types and compiles each source once for the run, not once for every process.
  process.env["NODE_COMPILE_CACHE"] = join(directory, CACHE, "compiled");
  process.env[MARK] = mark.slice(MARK.length + 1);
  const before = new Set(await strayFiles(root));
  return {
    async leftovers() {
      const end = performance.now() + END_LIMIT;
      let processes = await marked(mark);
      while (processes.length > 0 && performance.now() < end) {
        await sleep(POLL);
        processes = await marked(mark);
      }
      const files = (await strayFiles(root)).filter((file) => !before.has(file));
      const directories = (await readdir(directory)).filter((name) => name !== CACHE);
      await rm(directory, { recursive: true, force: true });
      return [
        ...processes.map((command) => `a process runs on: ${command}`),
        ...directories.map((name) => `a temporary directory was not removed: ${name}`),
        ...files.map((name) => `a file is new in the tree: ${name}`),
      ];
    },
  };
}

/** Number and command of every process that has the mark in its environment. */
async function marked(mark: string): Promise<string[]> {
  const pids = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      if (!(await readProc(pid, "environ")).split("\0").includes(mark)) return [];
      return [`${pid} ${(await readProc(pid, "cmdline")).replaceAll("\0", " ")}`];
    }),
  );
  return found.flat();
}

const readProc = (pid: string, file: string): Promise<string> =>
  readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "");

/** Files of the tree that git does not track, ignored ones included; none where git has no word. */
async function strayFiles(root: string): Promise<string[]> {
  const status = ["status", "--porcelain", "--ignored", "--untracked-files=normal"];
  const { stdout, failed } = await execa("git", status, { cwd: root, reject: false });
  return failed ? [] : stdout.split("\n").filter((line) => /^(\?\?|!!) /.test(line));
}
