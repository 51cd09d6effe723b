/**
 * Whether this machine can run a test's programs: installed by apt where that is possible; else the
 * test skips and says why, or fails where CI=true promises a machine that can.
 */
import { canInstall, missing, type Need, satisfy } from "../../origin/local/needs.ts";

/** For node:test's `skip`: false when all is there, else the reason. Throws under CI=true. */
export async function unavailable(
  needs: readonly Need[],
  options: { root?: boolean } = {},
): Promise<false | string> {
  const reason = await whyNot(needs, options.root ?? false);
  if (reason !== false && process.env["CI"] === "true")
    throw new Error(`CI=true, and yet this machine cannot run this test: ${reason}`);
  return reason;
}

async function whyNot(needs: readonly Need[], root: boolean): Promise<false | string> {
  if (process.platform !== "linux") return "needs Linux";
  if (root && process.getuid?.() !== 0)
    return "needs root (containers with their own mounts and namespaces)";
  const lacking = (await missing(needs)).map((need) => need.command).join(", ");
  if (lacking === "") return false;
  if (!(await canInstall()))
    return `needs ${lacking}, and only root on Debian can install them here`;
  try {
    await satisfy(needs, (line) => process.stdout.write(`# ${line}\n`));
    return false;
  } catch (error) {
    return `needs ${lacking}: ${(error as Error).message}`;
  }
}
