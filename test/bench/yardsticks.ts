/** The tools that packing is compared with, on a plain tar of the same store paths. */
import { join } from "node:path";
import { stat } from "node:fs/promises";
import { execa } from "execa";
import type { Need } from "../../origin/local/needs.ts";
import type { StorePathInfo } from "../../origin/nix/types.ts";

export const PIGZ: Need = { command: "pigz", debian: "pigz", purpose: "gzip on all cores" };
export const ZSTD: Need = { command: "zstd", debian: "zstd", purpose: "zstd on all cores" };

export interface Timed {
  readonly ms: number;
  readonly bytes: number;
}

/** Writes the tar of the store paths below `directory`; returns its path. */
export async function writeTar(
  closure: readonly StorePathInfo[],
  directory: string,
): Promise<string> {
  const tar = join(directory, "closure.tar");
  const paths = closure.map(({ path }) => path.slice(1)).toSorted();
  await execa("tar", ["-C", "/", "--sort=name", "-cf", tar, ...paths]);
  return tar;
}

/** `pigz -6` on all cores, from a file to a file. */
export const pigz = (tar: string): Promise<Timed> => compress("pigz", ["-6", "-c", tar], tar);
/** `zstd -3` on all cores. */
export const zstd = (tar: string): Promise<Timed> =>
  compress("zstd", ["-3", "-T0", "-q", "-c", tar], tar);

async function compress(command: string, args: readonly string[], tar: string): Promise<Timed> {
  const output = `${tar}.${command}`;
  const started = performance.now();
  await execa(command, args, { stdout: { file: output } });
  return { ms: performance.now() - started, bytes: (await stat(output)).size };
}
