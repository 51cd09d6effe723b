/**
 * narinfo files that have been read, as lines of JSON in one file: as 100,000 files they would take
 * 400 MB of disk. A run that is interrupted in the middle of a line loses that line alone. Nothing
 * expires, since what is kept of a narinfo never changes.
 */
import { mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { isStorePath, type NarInfo } from "./narinfo.ts";

const path = v.pipe(v.string(), v.check(isStorePath, "not a store path"));
const LineSchema = v.strictObject({
  path,
  narSize: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  references: v.array(path),
});

export interface NarInfoCache {
  get(path: string): NarInfo | undefined;
  add(info: NarInfo): Promise<void>;
  close(): Promise<void>;
}

/** Opens the cache in a directory, which is made where it is missing. */
export async function openNarInfoCache(dir: string): Promise<NarInfoCache> {
  await mkdir(dir, { recursive: true });
  const file = join(dir, "narinfos.jsonl");
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const known = new Map<string, NarInfo>();
  for (const line of text.split("\n")) {
    const info = parseLine(line);
    if (info) known.set(info.path, info);
  }
  const handle = await open(file, "a");
  // Ends the line that an interrupted run may have left.
  if (text !== "" && !text.endsWith("\n")) await handle.appendFile("\n");
  let writing = Promise.resolve();
  return {
    get: (wanted) => known.get(wanted),
    add(info) {
      known.set(info.path, info);
      // One after another, so that lines do not mix.
      writing = writing.then(() =>
        handle.appendFile(
          `${JSON.stringify({ path: info.path, narSize: info.narSize, references: info.references })}\n`,
        ),
      );
      return writing;
    },
    close: () => handle.close(),
  };
}

function parseLine(line: string): NarInfo | undefined {
  if (line === "") return undefined;
  try {
    return v.parse(LineSchema, JSON.parse(line));
  } catch {
    // It is incomplete or damaged, and will be read from the binary cache again.
    return undefined;
  }
}
