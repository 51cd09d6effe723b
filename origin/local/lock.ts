/** One Firn per state directory: two would write into the same databases. */
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { namingFullDisk } from "../disk/full.ts";

const LOCK = "lock";

/**
 * Takes the state for this process; the returned function gives it back. Throws, naming the holder,
 * when a living process has it.
 */
export async function lockState(stateDir: string): Promise<() => Promise<void>> {
  return namingFullDisk(stateDir, () => lock(stateDir));
}

async function lock(stateDir: string): Promise<() => Promise<void>> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const path = join(stateDir, LOCK);
  const own = await identity(process.pid);
  for (;;) {
    // By link(2): a lock is complete as soon as it is there.
    const prepared = `${path}.${process.pid}`;
    try {
      await writeFile(prepared, own, { mode: 0o600 });
      await link(prepared, path);
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    } finally {
      await rm(prepared, { force: true });
    }
    const holder = await readFile(path, "utf8").catch(() => "");
    const pid = Number(holder.split(" ")[0]);
    if (pid > 0 && (await identity(pid)) === holder) {
      throw new Error(
        `the state in ${stateDir} is in use by process ${pid}: stop that one first, or choose ` +
          `another directory with FIRN_STATE=…`,
      );
    }
    // Its holder is gone without giving it back (kill -9, a power cut).
    await rm(path, { force: true });
  }
}

/**
 * A process by its number and, where /proc tells, its start time: numbers are given again after a
 * reboot. Empty for no process.
 */
async function identity(pid: number): Promise<string> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return "";
  }
  // proc(5): the command in parentheses may hold anything; after it come the state and, 19 fields
  // on, the start time. A zombie has ended, though its parent has not collected it yet.
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" ? "" : `${pid} ${fields[19] ?? ""}`;
}
