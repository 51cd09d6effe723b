/**
 * The kinds of objects in the bucket, and the rule by which garbage collection keeps, condemns or
 * deletes each. Pure.
 *
 *   an object    is in use when it is pinned, was pulled or written lately, or one in use names it
 *                is held when only objects that are not in use name it: it stays as long as they do
 *                is idle otherwise: condemned, and deleted once it has been so for the grace period
 *
 * Worked example, unused 90 d, grace 1 d. Image I names package P, and P names blobs B and C.
 * Another image, pulled yesterday, names package Q, which names C as well:
 *
 *   day 0   I was last pulled 91 days ago: not in use. P and B are held. All three are condemned
 *   day 1   I has been condemned for a day: deleted. Now P is idle, condemned for a day: deleted,
 *           then B. C stays, as Q does
 *   or      I was pulled on day 0: in use, and with it P and B: no longer condemned
 *
 * Kinds are processed in an order in which referring objects come before those that they name, so
 * every reference to an object is known before the object is decided on.
 */
import type { GcKind } from "../contract/housekeeping.ts";
import { CURRENT } from "../contract/keys.ts";
import { blobsIn, ofImage, ofNarinfo, ofPackage, revisionKey } from "./references.ts";

export interface KindRules {
  readonly prefix: string;
  /** Tells objects of this kind from others below the same prefix. */
  readonly has?: (key: string) => boolean;
  /**
   * Whether an object stays for `unused` after it was written. Blobs stay only for the grace
   * period, in which the record that names them is written.
   */
  readonly isRecord: boolean;
  /** Keys that an object of this kind refers to. Absent: the object is not read. */
  readonly refersTo?: (text: string) => readonly string[];
  /** The key under which others refer to it; absent: its own. */
  readonly knownAs?: (key: string) => string;
}

export const KINDS: Readonly<Record<GcKind, KindRules>> = {
  images: { prefix: "images/", isRecord: true, refersTo: ofImage },
  packages: { prefix: "packages/", isRecord: true, refersTo: ofPackage },
  indexes: { prefix: "index/", isRecord: true, refersTo: blobsIn, knownAs: revisionOfIndex },
  layers: { prefix: "layers/", isRecord: true, refersTo: blobsIn },
  narinfos: {
    prefix: "cache/",
    has: (key) => key.endsWith(".narinfo"),
    isRecord: true,
    refersTo: ofNarinfo,
  },
  demand: { prefix: "demand/", isRecord: true },
  blobs: { prefix: "blobs/", isRecord: false },
  nars: { prefix: "cache/nar/", isRecord: false },
};

/** index/v<format>/<set>/<revision>/<system>/…: needed for as long as its revision is. */
function revisionOfIndex(key: string): string {
  const [, , packageSet = "", revision = ""] = key.split("/");
  return revisionKey(packageSet, revision);
}

/**
 * The key of the image's name, and a part of each of its digests, from the path. Null for an image
 * of another record format, which this version never finds.
 */
export function imageOfPath(key: string): { nameKey: string; hints: string[] } | null {
  if (!key.startsWith(CURRENT.images)) return null;
  const [nameKey = "", file = ""] = key.slice(CURRENT.images.length).split("/");
  return { nameKey, hints: file.split(".").slice(1, -1) };
}

export interface Facts {
  /** When it was last written or used, milliseconds since 1970. */
  readonly usedAt: number;
  /** It stays if it was used after this time. */
  readonly usedAfter: number;
  readonly pinned: boolean;
  /** Whether an object in use names it, or only ones that are not in use, or none. */
  readonly named: "live" | "held" | undefined;
  /** When it was condemned; undefined when it is not. */
  readonly condemnedAt: number | undefined;
  /** It is deleted if it was condemned at or before this time. */
  readonly condemnedBefore: number;
}

/** `keep`: in use; `condemn`: unused, but stays for now; `delete`: unused for long enough. */
export type Decision = "keep" | "condemn" | "delete";

/** Applies the rule above to one object. */
export function decisionOn(facts: Facts): Decision {
  if (facts.pinned || facts.named === "live" || facts.usedAt > facts.usedAfter) return "keep";
  const { condemnedAt = Infinity, condemnedBefore } = facts;
  return facts.named === undefined && condemnedAt <= condemnedBefore ? "delete" : "condemn";
}
