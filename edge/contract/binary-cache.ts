/**
 * Files of the farm's Nix binary cache, in the bucket below `cache/`:
 *
 *   cache/nar/<SHA-256 of the file, hex>.nar.zst   a store path, packed
 *   cache/<hash part of the store path>.narinfo    what it is, signed with its origin's Nix key
 *
 * Nix checks both: the signature against the keys that its operator trusts, and the file against
 * the hashes in the signed description.
 */
import * as v from "valibot";
import type { Digest } from "./digest.ts";

/** Nix's base 32 has no e, o, t and u. */
const KEY = /^cache\/(?:[0-9a-df-np-sv-z]{32}\.narinfo|nar\/[0-9a-f]{64}\.nar\.zst)$/;
export const CacheKeySchema = v.pipe(v.string(), v.regex(KEY, "not a file of the binary cache"));

/** Largest packed store path, bytes; a larger one is built where it is needed. */
export const MAX_NAR_BYTES = 2 * 2 ** 30;
/** Largest narinfo, bytes: a reference takes 50, and no store path has 1,000. */
export const MAX_NARINFO_BYTES = 64 * 2 ** 10;

/** Key of a packed store path. */
export const narKey = (digest: Digest): string =>
  `cache/nar/${digest.slice("sha256:".length)}.nar.zst`;

/** Takes a store path, or its name. */
export const narinfoKey = (storePath: string): string =>
  `cache/${storePath.replace(/^.*\//, "").slice(0, 32)}.narinfo`;
