/**
 * A server program that a test runs: started in its own process group, awaited until it answers,
 * ended by its pid.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { tied } from "../../origin/process-tie.ts";

/**
 * Longest time a daemon has to become ready, milliseconds: a loaded CI machine is slow, a broken
 * daemon ends by itself.
 */
const READY_LIMIT = 60_000;
/** Longest time it has to end in order before it is killed, milliseconds. */
const STOP_LIMIT = 20_000;
const POLL = 50;
/** Last output kept, for the message when it fails. */
const MAX_OUTPUT = 20_000;

export interface Daemon {
  readonly pid: number;
  output(): string;
  stop(): Promise<void>;
}

/**
 * Starts `command` and resolves when `ready` says so. Throws with its output when it ends or stays
 * silent.
 */
export async function startDaemon(
  command: readonly [string, ...string[]],
  env: Readonly<Record<string, string>>,
  ready: () => Promise<boolean>,
): Promise<Daemon> {
  const [program, ...args] = tied("TERM", command);
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (output = (output + chunk.toString()).slice(-MAX_OUTPUT)));
  const exit = once(child, "exit");
  let ended = false;
  const settled = exit.then(
    () => void (ended = true),
    () => void (ended = true),
  );
  const stop = async (): Promise<void> => {
    if (ended) return;
    child.kill("SIGTERM");
    const killer = setTimeout(() => child.kill("SIGKILL"), STOP_LIMIT);
    await settled;
    clearTimeout(killer);
    child.stdout.destroy();
    child.stderr.destroy();
  };
  for (const start = performance.now(); ; await sleep(POLL)) {
    if (ended) throw new Error(`${command[0]} ended before it was ready:\n${output}`);
    if (await ready()) return { pid: child.pid ?? 0, output: () => output, stop };
    if (performance.now() - start > READY_LIMIT) {
      await stop();
      throw new Error(`${command[0]} was not ready after ${READY_LIMIT / 1000} s:\n${output}`);
    }
  }
}
