/** Files that are complete from the moment they have their name, with any number of writers. */
import { mkdir, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { namingFullDisk } from "./full.ts";
import { temporaryFile } from "./temporary.ts";

/**
 * Calls `write` with the path of an empty temporary file, and renames that to `path`. Makes the
 * directory. Leaves nothing behind when it fails. `mode`: the file's permissions.
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
