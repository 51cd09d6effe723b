/**
 * Types of what is asked of the farm and what it answers (Asker, Answer, Outcome), and the keys of
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

/** How an item ended, as everybody sees it: what is stored of an origin's result. */
export type Outcome =
  | { readonly kind: "revision"; readonly revision: string }
  | { readonly kind: "package"; readonly record: PackageRecord }
  | { readonly kind: "level"; readonly record: LevelRecord }
  | { readonly kind: "index"; readonly record: IndexRecord }
  | { readonly kind: "failure"; readonly failure: Failure };

/**
 * The answer to a request for items.
 * - `done`: one outcome for each, in the order requested. Everything that they name is in the
 *   bucket, and the records are written. A failure is an outcome too; the other items are published
 *   anyway.
 * - `building`: not ready within the time that the caller waits; the work goes on.
 * - `no-origin`: no connected origin builds for this system.
 * - `paused`: those that do take no jobs at the moment: their disks are full.
 * - `unstored`: it is made, and the bucket does not take it. The origin keeps it, and tries again.
 * - `queue-full`: the farm takes nothing more for now, from this client (`yours`) or from anybody.
 */
export type Answer =
  | { readonly state: "done"; readonly results: readonly Outcome[] }
  | { readonly state: "building" | Unmade }
  | QueueFull;

interface QueueFull {
  readonly state: "queue-full";
  /** Whether the client's own share is used up. */
  readonly yours: boolean;
  /** Most items that may wait. */
  readonly limit: number;
}

/** On whose behalf items are made. */
export interface Asker {
  /** Account or address (access/limits.ts); null when not known. */
  readonly client: string | null;
  readonly purpose: Purpose;
  /** Regions in the order in which they are asked; empty where there is one farm. */
  readonly regions: readonly Region[];
  /**
   * Blobs that records name but the bucket lacks. A remembered outcome that names one of them is
   * not used. Build removes those that are in the bucket by now.
   */
  readonly lost?: readonly Descriptor[];
}

/** Why there is nothing of an item now, for a reason that says nothing about the item. */
export type Unmade = "no-origin" | "paused" | "unstored";

/** How an item ended, or why there is nothing of it now. */
export type Ending = Outcome | Unmade;

/**
 * The farm's reply to a Build that asks for items: `taken`, with the endings that are already
 * known; the rest is delivered later.
 */
export type Reply =
  | { readonly state: "taken"; readonly known: ReadonlyMap<string, Ending> }
  | { readonly state: "no-origin" | "paused" }
  | QueueFull;

/** Whether an outcome names one of these blobs. */
export function namesOneOf(ending: Ending, lost: readonly Descriptor[]): boolean {
  if (typeof ending === "string" || (ending.kind !== "package" && ending.kind !== "level"))
    return false;
  const digests = new Set(blobsOf(ending.record).map(({ digest }) => digest));
  return lost.some(({ digest }) => digests.has(digest));
}

/** Equal items have equal keys. */
export const itemKey = (item: Item): string => canonicalJson(item);

/** The name of the Build object for these items: a hash, so equal items share an object. */
export const buildName = (items: readonly Item[]): Promise<string> =>
  sha256Hex(canonicalJson(items));

const TRACE_LENGTH = 12;

/**
 * The short name of a build in logs and in Nix's environment: the first digits of its name. The
 * name of a roll-forward (roll-forward.ts) is not shortened.
 */
export const traceOf = (build: string): string =>
  HEX256_PATTERN.test(build) ? build.slice(0, TRACE_LENGTH) : build;
