/**
 * What is asked of the farm and what it answers, as types: Asker, Answer, Outcome; and the keys of
 * items and builds.
 */
import { HEX256_PATTERN, sha256Hex } from "../../contract/digest.ts";
import { canonicalJson } from "../../contract/keys.ts";
import type { Failure, Item } from "../../contract/items.ts";
import {
  blobsOf,
  type Descriptor,
  type IndexRecord,
  type LevelRecord,
  type PackageRecord,
} from "../../contract/records.ts";
import type { Region } from "../regions.ts";
import type { Purpose } from "../schedule/state.ts";

/** How an item ended, as everybody sees it: what an origin's result has been stored as. */
export type Outcome =
  | { readonly kind: "revision"; readonly revision: string }
  | { readonly kind: "package"; readonly record: PackageRecord }
  | { readonly kind: "level"; readonly record: LevelRecord }
  | { readonly kind: "index"; readonly record: IndexRecord }
  | { readonly kind: "failure"; readonly failure: Failure };

/**
 * The answer to a question for items.
 * - `done`: one outcome for each, in the order asked. Everything named is in the bucket, and the
 *   records are written. A failure is an outcome too; the others are published all the same.
 * - `building`: not ready within the time the caller waits; the work goes on.
 * - `no-origin`: no connected origin builds for this system.
 * - `queue-full`: the farm takes nothing more for now, of this client (`yours`) or of anybody.
 */
export type Answer =
  | { readonly state: "done"; readonly results: readonly Outcome[] }
  | { readonly state: "building" | "no-origin" }
  | QueueFull;

interface QueueFull {
  readonly state: "queue-full";
  /** Whether it is the client's own share that is used up. */
  readonly yours: boolean;
  /** Items that may wait. */
  readonly limit: number;
}

/** For whom items are made. */
export interface Asker {
  /** Account or address (access/limits.ts); null when nobody can tell. */
  readonly client: string | null;
  readonly purpose: Purpose;
  /** Regions in the order in which they are asked; none where there is one farm. */
  readonly regions: readonly Region[];
  /**
   * Blobs that the bucket lacks although records name them. A remembered outcome that names one of
   * them is not used. Build leaves out those that are in the bucket by now.
   */
  readonly lost?: readonly Descriptor[];
}

/** How an item ended, or that no origin is left that could make it. */
export type Ending = Outcome | "no-origin";

/**
 * What the farm says to a Build that asks for items: `taken`, with what is known already; the rest
 * is delivered later.
 */
export type Reply =
  | { readonly state: "taken"; readonly known: ReadonlyMap<string, Ending> }
  | { readonly state: "no-origin" }
  | QueueFull;

/** Whether an outcome names one of these blobs. */
export function namesOneOf(ending: Ending, lost: readonly Descriptor[]): boolean {
  if (ending === "no-origin" || (ending.kind !== "package" && ending.kind !== "level"))
    return false;
  const digests = new Set(blobsOf(ending.record).map(({ digest }) => digest));
  return lost.some(({ digest }) => digests.has(digest));
}

/** Equal items have equal keys. */
export const itemKey = (item: Item): string => canonicalJson(item);

/** The name of the Build object for these items: a hash, so equal items have one object. */
export const buildName = (items: readonly Item[]): Promise<string> =>
  sha256Hex(canonicalJson(items));

const TRACE_LENGTH = 12;

/**
 * The short name of a build in logs and in Nix's environment: the first digits of its name. A
 * roll-forward (roll-forward.ts) has a name in words, which is not cut.
 */
export const traceOf = (build: string): string =>
  HEX256_PATTERN.test(build) ? build.slice(0, TRACE_LENGTH) : build;
