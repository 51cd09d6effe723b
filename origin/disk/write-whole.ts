/** Files that are whole as soon as they have their name, with any number of writers. */
import { mkdir, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { namingFullDisk } from "./full.ts";
import { temporaryFile } from "./temporary.ts";

/**
 * Gives a file its name when `write` has written all of it, into the empty file that it is given,
 * in the same directory, which is made. Nothing is left of what fails. `mode`: who may read it.
 */
export async function writeWhole(
  path: string,
  write: (temporary: string) => Promise<void>,
  mode?: number,
): Promise<void> {
  const directory = dirname(path);
  await namingFullDisk(directory, async () => {
    await mkdir(directory, { recursive: true });
    const temporary = temporaryFile(directory, ".new", mode);
    try {
      await write(temporary.path);
      await rename(temporary.path, path);
      temporary.release();
    } catch (error) {
      temporary.remove();
      throw error;
    }
  });
}
