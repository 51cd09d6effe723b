/** Processes that cannot outlive this one, workerd above all. */
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const WRAPPER = fileURLToPath(new URL("workerd.sh", import.meta.url));

/** True where util-linux can tie a child's life to its parent's. */
export const canTie: boolean =
  process.platform === "linux" &&
  spawnSync("setpriv", ["--version"]).status === 0 &&
  spawnSync("setsid", ["--version"]).status === 0;

/**
 * The command, changed so that its process gets the signal when its parent dies; unchanged where the
 * system cannot do that.
 */
export const tied = (
  signal: "TERM" | "KILL",
  [program, ...args]: readonly [string, ...string[]],
): [string, ...string[]] =>
  canTie ? ["setpriv", "--pdeathsig", signal, "--", program, ...args] : [program, ...args];

/**
 * Makes Miniflare, which takes the program from the environment only, start workerd so that it
 * cannot outlive this process. Elsewhere than on Linux workerd is started as usual.
 */
export function tieWorkerd(): void {
  if (!canTie || process.env["MINIFLARE_WORKERD_PATH"] !== undefined) return;
  const require = createRequire(createRequire(import.meta.url).resolve("miniflare"));
  const workerd = require("workerd") as { default: string };
  process.env["FIRN_WORKERD"] = workerd.default;
  process.env["MINIFLARE_WORKERD_PATH"] = WRAPPER;
}
