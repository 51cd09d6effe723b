/**
 * The file of an object, by its key, and the keys of a directory's files.
 *
 * A component of a key that is too long for a file name continues in a directory whose name ends in
 * `+`; other characters that a file name cannot have, and `+` itself, are escaped as in a URL.
 *
 *   images/v2/0123….json     images/v2/0123….json
 *   packages/c++/..          packages/c%2B%2B/%2E%2E
 *   <250 characters>         <200 characters>+/<50 characters>
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";

/**
 * The longest file name of Linux's file systems is 255 bytes; an escaped component is cut to this.
 */
const NAME_BYTES = 200;
const CONTINUED = "+";

export interface Entry {
  readonly path: string;
  /** For a directory the beginning of its keys, ending in `/`. */
  readonly key: string;
  readonly isDirectory: boolean;
}

/**
 * The entries of a directory, and of those in which names that were too long for it continue.
 * `begun`: the escaped beginning of such names.
 */
export async function entriesOf(dir: string, before: string, begun = ""): Promise<Entry[]> {
  const found = (await orAbsent(readdir(dir, { withFileTypes: true }))) ?? [];
  const entries = found.map(async (entry): Promise<Entry[]> => {
    const path = join(dir, entry.name);
    const isDirectory = entry.isDirectory();
    if (isDirectory && entry.name.endsWith(CONTINUED))
      return entriesOf(path, before, begun + entry.name.slice(0, -CONTINUED.length));
    const escaped = begun + entry.name;
    const component = escaped === "%" ? "" : decodeURIComponent(escaped);
    return [{ path, isDirectory, key: before + component + (isDirectory ? "/" : "") }];
  });
  return (await Promise.all(entries)).flat();
}

/** The path of an object below the directory of objects. No key leads out of it. */
export function keyToPath(key: string): string {
  return key
    .split("/")
    .map((component) => {
      const escaped = escape(component);
      const pieces = escaped.match(new RegExp(`.{1,${NAME_BYTES}}`, "g")) ?? [escaped];
      return pieces.map((piece, at) => piece + (at < pieces.length - 1 ? CONTINUED : "")).join("/");
    })
    .join("/");
}

/** `%2B` for `+`, `%2E` for the dots of `.` and `..`, `%` alone for an empty component. */
function escape(component: string): string {
  if (component === "") return "%";
  const escaped = encodeURIComponent(component).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return /^\.+$/.test(escaped) ? escaped.replaceAll(".", "%2E") : escaped;
}

/** Null when it does not exist. */
export async function orAbsent<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR") return null;
    throw error;
  }
}
