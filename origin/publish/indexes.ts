/** Publishes indexes: the attribute names of a package set, or of sets nested in it, as blobs. */
import { setTimeout as sleep } from "node:timers/promises";
import type { IndexItem, Result } from "../../edge/contract/items.ts";
import { type About, encodeAbout, MAX_ABOUT_BYTES } from "../../edge/contract/package-about.ts";
import { PACKAGE_ABOUT, PACKAGE_INDEX } from "../../edge/contract/media-types.ts";
import {
  type IndexStatement,
  MAX_INDEX_BYTES,
  MAX_INDEX_NAMES,
  MAX_REFUSED,
  RECORD_FORMAT,
} from "../../edge/contract/records.ts";
import type { Sign } from "../../edge/contract/signatures.ts";
import type { LayerStore } from "../layers/index.ts";
import { failure } from "../nix/failures.ts";
import { FailureError, type PackageSet, RefusedSetError } from "../nix/types.ts";

export interface IndexContext {
  readonly packageSet: Pick<PackageSet, "attributes" | "about">;
  readonly layers: Pick<LayerStore, "blob">;
  readonly signal: AbortSignal;
  readonly sign: Sign;
}

/**
 * Publishes indexes; returns one result for each item, in order. A set that does not evaluate, or
 * has too many names, is a failure of its item alone. Throws when blobs cannot be stored.
 */
export const publishIndexes = (
  items: readonly IndexItem[],
  context: IndexContext,
): Promise<Result[]> =>
  Promise.all(
    items.map(async (item): Promise<Result> => {
      try {
        return await publishIndex(item, context);
      } catch (error) {
        if (error instanceof FailureError) return { kind: "failure", failure: error.failure };
        throw error;
      }
    }),
  );

async function publishIndex(
  { packageSet: set, revision, system, path }: IndexItem,
  { packageSet, layers, signal, sign }: IndexContext,
): Promise<Result> {
  const { names, refused } = await packageSet.attributes(revision, system, path, signal).then(
    (names) => ({ names, refused: undefined }),
    (error: unknown) => refusal(error, path),
  );
  const bytes = new TextEncoder().encode(JSON.stringify(names));
  if (names.length > MAX_INDEX_NAMES || bytes.length > MAX_INDEX_BYTES)
    return {
      kind: "failure",
      failure: failure(
        "refused",
        `${["the package set", ...path].join(".")} has ${names.length} names of ` +
          `${bytes.length} bytes; an index has at most ${MAX_INDEX_NAMES} of ${MAX_INDEX_BYTES}`,
      ),
    };
  const about = await aboutNames(packageSet.about(revision, system, path, signal), new Set(names));
  const statement: IndexStatement = {
    format: RECORD_FORMAT,
    packageSet: set,
    revision,
    system,
    path: [...path],
    names: await layers.blob(bytes, PACKAGE_INDEX),
    ...(refused === undefined ? {} : { refused: refused.slice(0, MAX_REFUSED) }),
    ...(about === undefined ? {} : { about: await layers.blob(about, PACKAGE_ABOUT) }),
  };
  return { kind: "index", statement, signature: sign("index", statement) };
}

/** Longest wait for versions and descriptions, ms: a pull may wait for the names. */
const ABOUT_WAIT = 10_000;

/**
 * Versions and descriptions of the names, encoded; undefined when there are none, they come too
 * late, or are too large for a blob.
 */
async function aboutNames(
  list: Promise<ReadonlyMap<string, About> | undefined>,
  names: ReadonlySet<string>,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const tooLong = new AbortController();
  const all = await Promise.race([
    list.catch(() => undefined),
    sleep(ABOUT_WAIT, undefined, { signal: tooLong.signal }).catch(() => undefined),
  ]);
  tooLong.abort();
  const known = [...(all ?? [])].filter(([attribute]) => names.has(attribute));
  const bytes = encodeAbout(new Map(known));
  return bytes.length === 0 || bytes.length > MAX_ABOUT_BYTES ? undefined : bytes;
}

/**
 * The index of a nested set that Nix refuses to evaluate, and always will: it has no names and the
 * reason, so that nobody asks again. Throws any other error.
 */
function refusal(
  error: unknown,
  path: readonly string[],
): { readonly names: readonly string[]; readonly refused: string } {
  if (error instanceof RefusedSetError && error.lasting && path.length > 0)
    return { names: [], refused: error.reason };
  throw error;
}
