/**
 * The starter set's package lists, fetched once for all tests: each origin of a test has a state of
 * its own, and 40 MB of lists for each would take longer than the test. They lie where npm's tools
 * keep what may be lost, and are as old as the product lets them be.
 */
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { SYSTEMS } from "../../edge/contract/records.ts";
import { prepareStarter } from "../../origin/starter/index.ts";

const CACHE = join(import.meta.dirname, "../../node_modules/.cache/firn");

const silent = (): void => undefined;

/** The starter set's directory: never to be changed. */
export async function starterDirectory(): Promise<string> {
  await mkdir(CACHE, { recursive: true });
  return (await prepareStarter({ stateDir: CACHE, systems: SYSTEMS, log: silent })).dir;
}

/** Gives an origin the lists before it starts. `stateDir`: its STATE_DIR. */
export async function givePackageLists(stateDir: string): Promise<void> {
  await starterDirectory();
  const state = join(stateDir, "sets", "starter");
  await mkdir(state, { recursive: true });
  for (const part of ["apt", "locks"])
    await cp(join(CACHE, "starter", part), join(state, part), {
      recursive: true,
      preserveTimestamps: true,
    });
}
