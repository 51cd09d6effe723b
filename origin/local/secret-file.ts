/** Secrets made on this machine, kept in the state directory, readable by its owner only. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

const OWNER_ONLY = 0o600;

/** The file's text; made by `make` the first time. Written whole or not at all. */
export async function secretFile(
  path: string,
  make: () => string | Promise<string>,
): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const text = await make();
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, text, { mode: OWNER_ONLY });
  await rename(temporary, path);
  return text;
}
