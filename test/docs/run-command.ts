/**
 * Runs a page's commands as its reader does: in a checkout, in a shell, those that stay up beside the
 * rest.
 */
import { cp, mkdir, readdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { ROOT, StartProcess } from "../harness/start-process.ts";

type Variables = Readonly<Record<string, string>>;

/** Longest time that a command which ends may take, milliseconds: it builds nothing large. */
const LIMIT = 120_000;
/** What commands do not read, or make themselves. */
const LEFT_OUT = new Set([".git", ".firn", ".wrangler", "dist", "test", "node_modules"]);

/** A directory that is a checkout to whoever works in it, and keeps what they write. */
export async function makeCheckout(directory: string): Promise<void> {
  await mkdir(join(directory, "etc/systemd/system"), { recursive: true });
  for (const name of await readdir(ROOT))
    if (!LEFT_OUT.has(name)) await cp(join(ROOT, name), join(directory, name), { recursive: true });
  await symlink(join(ROOT, "node_modules"), join(directory, "node_modules"));
}

export interface Ended {
  readonly status: number | undefined;
  readonly stdout: string;
  /** Both streams. */
  readonly output: string;
}

export async function runToEnd(command: string, cwd: string, env: Variables): Promise<Ended> {
  const { exitCode, stdout, all } = await execa("bash", ["-o", "pipefail", "-c", command], {
    cwd,
    env,
    stdin: "ignore",
    all: true,
    reject: false,
    timeout: LIMIT,
    forceKillAfterDelay: 5_000,
  });
  return { status: exitCode, stdout, output: all };
}

/** Starts what stays, and waits until it says that it is up. */
export async function startAndWait(
  command: string,
  up: RegExp,
  cwd: string,
  env: Variables,
): Promise<StartProcess> {
  // The shell becomes the command, so that it hears the signal that ends it.
  const started = new StartProcess({ ...env, FIRN_DOCS_DIR: cwd }, [
    "bash",
    "-c",
    `cd "$FIRN_DOCS_DIR" && exec env ${command}`,
  ]);
  try {
    await started.line(up);
  } catch (error) {
    await started.end("SIGKILL");
    throw error;
  }
  return started;
}
