/**
 * The kinds of objects in the bucket, and the rule by which garbage collection keeps, condemns or
 * deletes each. Pure.
 *
 *   an object    is in use when it is pinned, was pulled or written lately, or one in use names it
 *                is held when only objects that are not in use name it: it stays as long as they do
 *                is idle otherwise: condemned now, and deleted once it has been so for the grace
 *
 * Worked example, unused 90 d, grace 1 d; image I names package P, P names blobs B and C, and
 * another image, pulled yesterday, names package Q, which names C:
 *
 *   day 0   I was pulled 91 days ago: not in use. P and B are held. All three are condemned
 *   day 1   I has been condemned for a day: deleted. Now P is idle, condemned for a day: deleted,
 *           then B. C stays, as Q does
 *   or      I was pulled on day 0: in use, and with it P and B: condemned no more
 *
 * Kinds are looked at in an order in which referring objects come before those that they name, so
 * every reference is known before the object that it names is decided on.
 */
import type { GcKind } from "../contract/housekeeping.ts";
import { imagesPrefix } from "../contract/keys.ts";
import { blobsIn, ofImage, ofNarinfo, ofPackage, revisionKey } from "./references.ts";

export interface KindRules {
  readonly prefix: string;
  /** Whether the object is of this kind; others may share the prefix. */
  readonly has?: (key: string) => boolean;
  /**
   * Whether an object stays for `unused` after it was written. Blobs stay for the grace only, in
   * which the record that names them is written.
   */
  readonly isRecord: boolean;
  /** The keys that an object of this kind refers to; when left out it is not read. */
  readonly refersTo?: (text: string) => readonly string[];
  /** The key by which others refer to it; its own when left out. */
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

/** `images/v3/`: images that this version of the edge finds. */
const CURRENT_IMAGES = imagesPrefix("").slice(0, -1);

/**
 * What an image's path says: the key of its name, and a part of each of its digests. Null for an
 * image of another record format, which this version never finds.
 */
export function imageOfPath(key: string): { nameKey: string; hints: string[] } | null {
  if (!key.startsWith(CURRENT_IMAGES)) return null;
  const [nameKey = "", file = ""] = key.slice(CURRENT_IMAGES.length).split("/");
  return { nameKey, hints: file.split(".").slice(1, -1) };
}

export interface Facts {
  /** When it was written or used last, milliseconds since 1970. */
  readonly usedAt: number;
  /** It stays when it was used after this. */
  readonly usedAfter: number;
  readonly pinned: boolean;
  /** What names it: an object in use, one that is not, or none. */
  readonly named: "live" | "held" | undefined;
  /** Since when it has been condemned; undefined: it has not. */
  readonly condemnedAt: number | undefined;
  /** It is deleted when it was condemned at or before this. */
  readonly condemnedBefore: number;
}

/** `keep`: in use; `condemn`: not, and stays for now; `delete`: not, for long enough. */
export type Decision = "keep" | "condemn" | "delete";

export function decisionOn(facts: Facts): Decision {
  if (facts.pinned || facts.named === "live" || facts.usedAt > facts.usedAfter) return "keep";
  const { condemnedAt = Infinity, condemnedBefore } = facts;
  return facts.named === undefined && condemnedAt <= condemnedBefore ? "delete" : "condemn";
}
