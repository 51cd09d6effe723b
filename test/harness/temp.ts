/** Directories of a test's own, removed afterwards, mounts included. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";

/** A new directory. Its name is short: a Unix socket's path has at most 107 characters. */
export const tempDir = (what: string): Promise<string> => mkdtemp(join(tmpdir(), `firn-${what}-`));

/** Unmounts everything below the directory, innermost first, and removes it. */
export async function removeTree(directory: string): Promise<void> {
  const mounts = await readFile("/proc/self/mountinfo", "utf8").catch(() => "");
  const below = mounts
    .split("\n")
    .map((line) => unescapeMount(line.split(" ")[4] ?? ""))
    .filter((path) => path === directory || path.startsWith(`${directory}/`));
  for (const path of below.reverse())
    await execa("umount", ["--lazy", "--", path], { reject: false });
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
}

/** proc(5): space, tab, newline and backslash in a path are octal there. */
const unescapeMount = (path: string): string =>
  path.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
