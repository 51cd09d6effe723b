/** Miniflare's workerd, made to end with this process. */
import { fileURLToPath } from "node:url";
import workerd from "workerd";
import { canTie } from "../../origin/process-tie.ts";

const WRAPPER = fileURLToPath(new URL("workerd.sh", import.meta.url));

/**
 * Makes Miniflare, which takes the program from the environment only, start workerd so that it
 * cannot outlive this process. Elsewhere than on Linux workerd is started as usual.
 */
export function tieWorkerd(): void {
  if (!canTie || process.env["MINIFLARE_WORKERD_PATH"] !== undefined) return;
  process.env["FIRN_WORKERD"] = workerd.default;
  process.env["MINIFLARE_WORKERD_PATH"] = WRAPPER;
}
