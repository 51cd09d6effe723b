/** Ties child processes (workerd, origins, Nix) to this one, so that they do not outlive it. */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** The absolute path of util-linux's setpriv, since a child may have another PATH. */
const SETPRIV = find("setpriv");

/** Whether this system can end a child when its parent dies. */
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
 * The command, with setpriv in front so that its process gets the signal when its parent dies;
 * unchanged where the system cannot do that.
 */
export const tied = (
  signal: "TERM" | "KILL",
  [program, ...args]: readonly [string, ...string[]],
): [string, ...string[]] =>
  canTie && SETPRIV !== undefined
    ? [SETPRIV, "--pdeathsig", signal, "--", program, ...args]
    : [program, ...args];

/** setpriv's message and exit codes when it cannot start the program. */
const NOT_STARTED = /^setpriv: failed to execute .*?: (.*)$/;
const NOT_STARTED_CODES = new Set([126, 127]);

/** Why setpriv could not start a program; undefined when it did. */
export const whyNotStarted = (
  exitCode: number | undefined,
  lastLine: string | undefined,
): string | undefined =>
  canTie && NOT_STARTED_CODES.has(exitCode ?? 0)
    ? NOT_STARTED.exec(lastLine ?? "")?.[1]
    : undefined;
