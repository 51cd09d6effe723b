/**
 * Packs the profile into a layer. Compressed by fflate everywhere (its own JavaScript, in workerd
 * as in Node), never by a runtime's zlib: the same profile must be the same bytes at every location
 * and at any time.
 */
import { gzipSync } from "fflate";
import { type Digest, digestOf } from "../contract/digest.ts";
import { MAX_PROFILE_BYTES, type ProfileEntry, profileTooLarge } from "./profile.ts";
import { tarEnd, tarHeader, tarPadding } from "../contract/tar.ts";

export interface ProfileLayer {
  /** gzip. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly digest: Digest;
  /** Digest of the tar within. */
  readonly diffId: Digest;
}

/**
 * `mtime` 0 leaves the time out; `mem` is fixed because fflate would otherwise derive it from the
 * length by a logarithm. Every option is part of the format: changing one changes every image.
 */
const GZIP = { level: 6, mem: 8, mtime: 0 } as const;

export async function packProfile(entries: readonly ProfileEntry[]): Promise<ProfileLayer> {
  const tar = tarOf(entries);
  const bytes = gzipSync(tar, GZIP);
  const [digest, diffId] = await Promise.all([digestOf(bytes), digestOf(tar)]);
  return { bytes, digest, diffId };
}

/** Throws profileTooLarge. */
function tarOf(entries: readonly ProfileEntry[]): Uint8Array<ArrayBuffer> {
  const chunks: Uint8Array[] = [];
  let size = tarEnd.length;
  for (const entry of entries) {
    for (const chunk of tarMember(entry)) {
      chunks.push(chunk);
      size += chunk.length;
    }
    // Before the rest is made: all of it is in the Worker's memory.
    if (size > MAX_PROFILE_BYTES) throw profileTooLarge();
  }
  const tar = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    tar.set(chunk, at);
    at += chunk.length;
  }
  return tar;
}

const encoder = new TextEncoder();

/** Header, contents and padding of one entry. */
function tarMember(entry: ProfileEntry): Uint8Array[] {
  const { path, type } = entry;
  switch (type) {
    case "directory":
      return [tarHeader({ path, type, mode: entry.mode })];
    case "symlink":
      return [tarHeader({ path, type, mode: 0o777, linkname: entry.target })];
    case "file": {
      const contents = encoder.encode(entry.contents);
      const header = tarHeader({ path, type, mode: 0o644, size: contents.length });
      return [header, contents, new Uint8Array(tarPadding(contents.length))];
    }
  }
}
