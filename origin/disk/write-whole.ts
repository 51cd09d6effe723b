/** Files that are whole as soon as they have their name, with any number of writers. */
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { namingFullDisk } from "./full.ts";
import { temporaryName } from "./temporary.ts";

/**
 * Gives a file its name when `write` has written all of it, under the temporary name that it is
 * given, in the same directory, which is made. Nothing is left of what fails.
 */
export async function writeWhole(
  path: string,
  write: (temporary: string) => Promise<void>,
): Promise<void> {
  const directory = dirname(path);
  const temporary = join(directory, temporaryName(".new"));
  await namingFullDisk(directory, async () => {
    await mkdir(directory, { recursive: true });
    try {
      await write(temporary);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  });
}
