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

function tarOf(entries: readonly ProfileEntry[]): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const pieces: Uint8Array[] = [];
  let size = tarEnd.length;
  const add = (piece: Uint8Array): void => {
    size += piece.length;
    if (size > MAX_PROFILE_BYTES) throw profileTooLarge();
    pieces.push(piece);
  };
  for (const entry of entries) {
    if (entry.type === "directory")
      add(tarHeader({ path: entry.path, type: "directory", mode: entry.mode }));
    else if (entry.type === "symlink")
      add(tarHeader({ path: entry.path, type: "symlink", mode: 0o777, linkname: entry.target }));
    else {
      const contents = encoder.encode(entry.contents);
      add(tarHeader({ path: entry.path, type: "file", mode: 0o644, size: contents.length }));
      add(contents);
      add(new Uint8Array(tarPadding(contents.length)));
    }
  }
  const tar = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    tar.set(piece, at);
    at += piece.length;
  }
  return tar;
}
