/** A small file system in memory that a test fills. It is unmounted by `removeTree` (harness/temp.ts). */
import { mkdir } from "node:fs/promises";
import { execa } from "execa";
import { unavailable } from "../../harness/available.ts";

/** Why none can be mounted here, for `skip`: false where it can. */
export const smallMountUnavailable = (): Promise<false | string> => unavailable([], { root: true });

export interface SmallMount {
  /** Gives it another size (`32m`), and another number of files and directories. */
  resize(size: string, files?: number): Promise<void>;
  /** Files and directories that it has. */
  files(): Promise<number>;
}

/** Most files and directories, unless a test says another number. */
const FILES = 10_000;

/** Mounts one of this size (`2m`) at the directory, which is made. */
export async function mountSmall(directory: string, size: string): Promise<SmallMount> {
  await mkdir(directory);
  await execa("mount", ["-t", "tmpfs", "-o", `size=${size}`, "firn-small", directory]);
  return {
    async resize(size, files = FILES) {
      await execa("mount", ["-o", `remount,size=${size},nr_inodes=${files}`, directory]);
    },
    async files() {
      const { stdout } = await execa("df", ["--output=iused", directory]);
      return Number(stdout.split("\n")[1]);
    },
  };
}
