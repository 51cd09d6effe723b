/**
 * Versions and descriptions of packages from lists that need no evaluation: the lock of the starter
 * set, and the packages.json of a nixpkgs channel. Attribute paths have dots:
 * `python3Packages.flask`.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import { createBrotliDecompress } from "node:zlib";
import * as v from "valibot";
import { byName } from "../../../edge/contract/by-name.ts";
import type { About } from "../../../edge/contract/package-about.ts";
import type { Metadata } from "../../../edge/contract/closure.ts";
import { PLATFORMS, type System } from "../../../edge/contract/records.ts";
import { metadataOf } from "../metadata.ts";
import { fetchWithCredentials } from "./credentials.ts";

export type Abouts = ReadonlyMap<string, About>;

/** Those of the set itself, or of the nested set at `path`, by attribute name. */
export function aboutsAt(all: Abouts, path: readonly string[]): Abouts {
  const prefix = path.map((attribute) => `${attribute}.`).join("");
  const own = [...all]
    .filter(([attribute]) => attribute.startsWith(prefix))
    .map(([attribute, about]) => [attribute.slice(prefix.length), about] as const);
  return new Map(own.filter(([attribute]) => !attribute.includes(".")));
}

const LockSchema = v.object({
  attributes: byName(v.string(), v.string()),
  units: byName(
    v.string(),
    v.object({
      pname: v.optional(v.string(), ""),
      version: v.string(),
      description: v.string(),
      homepage: v.optional(v.string(), ""),
    }),
  ),
});

async function readLock(source: string, system: System): Promise<v.InferOutput<typeof LockSchema>> {
  const file = join(source, `lock-${PLATFORMS[system].architecture}.json`);
  return v.parse(LockSchema, JSON.parse(await readFile(file, "utf8")));
}

/**
 * Versions and descriptions of a starter set, from its lock for the system. `source`: store path.
 */
export async function starterAbout(source: string, system: System): Promise<Abouts> {
  const { attributes, units } = await readLock(source, system);
  return new Map(
    Object.entries(attributes).flatMap(([attribute, unit]) => {
      const known = units[unit];
      if (known === undefined) return [];
      return [[attribute, { version: known.version, description: known.description }] as const];
    }),
  );
}

/**
 * What Debian says of every store path of a starter set, by the path's name without its output:
 * `curl-7.88.1`. Its lists tell no licences.
 */
export async function starterMetadata(
  source: string,
  system: System,
): Promise<Map<string, Metadata>> {
  const { units } = await readLock(source, system);
  return new Map(
    Object.values(units).map(({ pname, version, description, homepage }) => [
      `${pname}-${version}`,
      metadataOf({ pname, version, description, homepage, licenses: [] }),
    ]),
  );
}

/** Largest list of a channel, unpacked, bytes: that of nixos-unstable has some 200 MB. */
const MAX_LIST_BYTES = 1_000_000_000;
/** Longest entry of a package, characters: entries have some 5,000. */
const MAX_ENTRY = 1_000_000;

const EntrySchema = v.object({
  version: v.optional(v.string(), ""),
  meta: v.optional(v.object({ description: v.optional(v.string(), "") }), {}),
});

/** A channel's list, at `<channels>/<channel>/packages.json.br`. Throws when there is none. */
export async function channelAbout(url: string, signal: AbortSignal): Promise<Abouts> {
  const response = await fetchWithCredentials(url, signal);
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new Error(`${url}: HTTP ${response.status}`);
  }
  const packed = Readable.fromWeb(response.body as ReadableStream<Uint8Array>);
  // Not `pipe`, with which an error of the connection would be unhandled and end the process.
  return pipeline(packed, createBrotliDecompress(), readPackages);
}

/**
 * `{"version": 2, "packages": {"git": {…}, …}}`, entry by entry: the whole of it as an object would
 * take gigabytes. Braces are counted, outside of strings:
 *
 *   depth 1   the list        depth 2   "packages"        depth 3   an entry
 */
export async function readPackages(chunks: AsyncIterable<Uint8Array>): Promise<Abouts> {
  const found = new Map<string, About>();
  const decoder = new TextDecoder();
  const entries = new EntryReader((name, text) => {
    const entry = v.safeParse(EntrySchema, JSON.parse(text));
    if (!entry.success) return;
    const { version, meta } = entry.output;
    found.set(name, { version, description: meta.description ?? "" });
  });
  let read = 0;
  for await (const chunk of chunks) {
    read += chunk.length;
    if (read > MAX_LIST_BYTES) throw new Error(`the list of packages goes on after ${read} bytes`);
    entries.read(decoder.decode(chunk, { stream: true }));
  }
  return found;
}

const ENTRY_DEPTH = 3;

class EntryReader {
  readonly #take: (name: string, text: string) => void;
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** What has been read of the current entry, or of what comes before it. */
  #text = "";
  #name = "";

  constructor(take: (name: string, text: string) => void) {
    this.#take = take;
  }

  read(text: string): void {
    let from = 0;
    for (let at = 0; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (code === BACKSLASH) this.#escaped = true;
        else if (code === QUOTE) this.#inString = false;
      } else if (code === QUOTE) this.#inString = true;
      else if (code === OPEN) {
        this.#depth += 1;
        if (this.#depth !== ENTRY_DEPTH) continue;
        this.#name = lastString(this.#text + text.slice(from, at));
        this.#text = "";
        from = at;
      } else if (code === CLOSE) {
        this.#depth -= 1;
        if (this.#depth !== ENTRY_DEPTH - 1) continue;
        this.#take(this.#name, this.#text + text.slice(from, at + 1));
        this.#text = "";
        from = at + 1;
      }
    }
    this.#text += text.slice(from);
    if (this.#text.length > MAX_ENTRY)
      throw new Error("an entry of the list of packages has no end");
  }
}

const [QUOTE, BACKSLASH, OPEN, CLOSE] = [...'"\\{}'].map((each) => each.charCodeAt(0));

/** The name before an entry: `,"git":` → git. */
const lastString = (text: string): string => {
  const name = /("(?:[^"\\]|\\.)*")\s*:\s*$/.exec(text)?.[1];
  return name === undefined ? "" : (JSON.parse(name) as string);
};
