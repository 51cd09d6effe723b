/** Ties processes to this one, so that they cannot outlive it; used for workerd above all. */
import { spawnSync } from "node:child_process";

/** Whether util-linux can tie a child's life to its parent's. */
export const canTie: boolean =
  process.platform === "linux" &&
  spawnSync("setpriv", ["--version"]).status === 0 &&
  spawnSync("setsid", ["--version"]).status === 0;

/**
 * The command, changed so that its process gets the signal when its parent dies; unchanged where
 * the system does not support that.
 */
export const tied = (
  signal: "TERM" | "KILL",
  [program, ...args]: readonly [string, ...string[]],
): [string, ...string[]] =>
  canTie ? ["setpriv", "--pdeathsig", signal, "--", program, ...args] : [program, ...args];
