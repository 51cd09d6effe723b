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

/** Sets the peak of a process's resident memory to what it is now, and returns that, KiB. */
export async function resetPeak(pid: string): Promise<number> {
  // proc(5), clear_refs.
  await writeFile(`/proc/${pid}/clear_refs`, "5");
  return residentMemory(pid);
}

/** What it is now, KiB. */
export const residentMemory = (pid: string): Promise<number> => memoryOf(pid, "VmRSS");
/** What it was at most, KiB. */
export const peakMemory = (pid: string): Promise<number> => memoryOf(pid, "VmHWM");

async function memoryOf(pid: string, field: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]);
}
