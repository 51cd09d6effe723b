/**
 * Narinfos that were read already, as JSON lines in one file: 100,000 files of 500 bytes would take
 * 400 MB. A run that was broken off in the middle of a line loses that line only. A store path's
 * narinfo never changes what is kept of it, so nothing expires.
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
  // What a broken-off run left of a line must not run into the next one.
  if (text !== "" && !text.endsWith("\n")) await handle.appendFile("\n");
  let writing = Promise.resolve();
  return {
    get: (wanted) => known.get(wanted),
    add(info) {
      known.set(info.path, info);
      // One after the other: a line is never cut in two by another.
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
    // Cut off, or damaged: it is read from the cache again.
    return undefined;
  }
}
