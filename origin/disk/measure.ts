/**
 * Measures how full the file systems are, and how much the Nix store and the origin's state take.
 */
import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { storeBytes } from "../nix/build/closure.ts";
import { nixOutput } from "../nix/nix-output.ts";
import { nixEnvironment, storeDir } from "../nix/settings.ts";
import type { DiskBudget, FileSystem, Measured } from "./budget.ts";

/** Longest count of the state directory (du), ms. */
const WALK_TIMEOUT = 300_000;
/** Change of free space after which store and state directory are counted again, bytes. */
const WORTH_COUNTING = 100e6;

/** Measures with every call, but counts only when free space has changed by WORTH_COUNTING. */
export class Meter {
  readonly #stateDir: string;
  readonly #budget: DiskBudget;
  #counted: { readonly used: number; readonly free: number } | undefined;

  constructor(stateDir: string, budget: DiskBudget) {
    this.#stateDir = stateDir;
    this.#budget = budget;
  }

  /** `exactly`: count in any case. Throws an Error when a program or the file system fails. */
  async measure(exactly = false): Promise<Measured> {
    const fileSystems = await Promise.all([storeDir(), this.#stateDir].map(fileSystem));
    if (this.#budget.used === undefined) return { fileSystems };
    const free = fileSystems.reduce((total, each) => total + each.free, 0);
    const counted = this.#counted;
    const worth = Math.min(WORTH_COUNTING, this.#budget.used / 100);
    if (exactly || counted === undefined || Math.abs(counted.free - free) > worth) {
      const used = (await storeBytes()) + (await directoryBytes(this.#stateDir));
      this.#counted = { used, free };
    }
    return { fileSystems, used: this.#counted?.used ?? 0 };
  }
}

/** The file system of a directory, or of its nearest parent that exists. */
async function fileSystem(directory: string): Promise<FileSystem> {
  let existing = directory;
  while (!existsSync(existing) && existing !== dirname(existing)) existing = dirname(existing);
  const { bsize, blocks, bavail } = await statfs(existing);
  return { directory, size: bsize * blocks, free: bsize * bavail };
}

/** Bytes on disk below a directory, without files that are removed during the count. */
async function directoryBytes(directory: string): Promise<number> {
  if (!existsSync(directory)) return 0;
  const output = await nixOutput(
    "the state directory cannot be measured",
    "sh",
    ["-c", 'du -sk -- "$1" 2>/dev/null || true', "sh", directory],
    { env: nixEnvironment(), timeout: WALK_TIMEOUT },
  );
  return Number(/^\d+/.exec(output)?.[0] ?? 0) * 1024;
}
