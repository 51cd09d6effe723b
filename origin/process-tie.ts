/** Ties processes to this one, so that they cannot outlive it: workerd, origins, and what calls Nix. */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** util-linux's program for it, which the PATH of a child need not have. */
const SETPRIV = find("setpriv");

/** Whether util-linux can tie a child's life to its parent's. */
export const canTie: boolean =
  process.platform === "linux" &&
  SETPRIV !== undefined &&
  spawnSync(SETPRIV, ["--version"]).status === 0 &&
  spawnSync("setsid", ["--version"]).status === 0;

function find(program: string): string | undefined {
  const paths = (process.env["PATH"] ?? "").split(delimiter).map((path) => join(path, program));
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * The command, changed so that its process gets the signal when its parent dies; unchanged where
 * the system does not support that.
 */
export const tied = (
  signal: "TERM" | "KILL",
  [program, ...args]: readonly [string, ...string[]],
): [string, ...string[]] =>
  canTie && SETPRIV !== undefined
    ? [SETPRIV, "--pdeathsig", signal, "--", program, ...args]
    : [program, ...args];

/** What setpriv says, and its exit code, where the program cannot be started. */
const NOT_STARTED = /^setpriv: failed to execute .*?: (.*)$/;
const NOT_STARTED_CODES = new Set([126, 127]);

/** Why a tied program could not be started; undefined where it was. */
export const whyNotStarted = (
  exitCode: number | undefined,
  lastLine: string | undefined,
): string | undefined =>
  canTie && NOT_STARTED_CODES.has(exitCode ?? 0)
    ? NOT_STARTED.exec(lastLine ?? "")?.[1]
    : undefined;
