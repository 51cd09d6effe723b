/** The resident memory of the workerd that this process has started (proc(5)). */
import { readdir, readFile, writeFile } from "node:fs/promises";

/** Throws when there is none. */
export async function workerdPid(): Promise<string> {
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
    if (/^Name:\tworkerd$/m.test(status) && status.includes(`\nPPid:\t${process.pid}\n`))
      return pid;
  }
  throw new Error("this process has no workerd");
}

/** What it is now, KiB. */
export const residentMemory = (pid: string): Promise<number> => memoryOf(pid, "VmRSS");

/**
 * Begins to measure by how much a process's memory grows; the returned function tells the growth at
 * its peak, KiB. Pages of the program's own file, which come into memory when their code first runs,
 * do not count: all isolates of a process share them.
 */
export async function memoryGrowth(pid: string): Promise<() => Promise<number>> {
  // proc(5), clear_refs: sets the peak, VmHWM, to what is resident now.
  await writeFile(`/proc/${pid}/clear_refs`, "5");
  const before = await residentMemory(pid);
  const files = await memoryOf(pid, "RssFile");
  return async () =>
    (await memoryOf(pid, "VmHWM")) - before - ((await memoryOf(pid, "RssFile")) - files);
}

async function memoryOf(pid: string, field: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]);
}
