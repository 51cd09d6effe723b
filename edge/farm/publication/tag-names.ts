/**
 * Tag names that origins list for a package set, in the bucket: one record, written when it
 * changes, and deleted when an origin on which it rests is revoked. Other origins list the names
 * again.
 */
import pLimit from "p-limit";
import { MAX_TAG_NAMES, type TagNamesRecord } from "../../contract/tag-names.ts";
import { note } from "../../log.ts";
import type { Bucket } from "../../store/bucket.ts";
import { readRecord, tagNamesRecord, withdrawRecord, writeRecord } from "../../store/records.ts";
import type { Trust } from "./trust.ts";

export interface ListedTags {
  readonly tags: readonly string[];
  readonly origin: string;
  /** Whether the origin may say what a tag means. */
  readonly mayTell: (tag: string) => boolean;
}

export interface TagNamesParts {
  readonly bucket: Bucket;
  readonly trust: Pick<Trust, "keyOf">;
  /** The id of the edge's package set. */
  readonly packageSet: () => Promise<string>;
}

export class TagNames {
  readonly #with: TagNamesParts;
  /** One change at a time, since each reads the record that it writes. */
  readonly #inTurn = pLimit(1);

  constructor(parts: TagNamesParts) {
    this.#with = parts;
  }

  /** Writes what an origin lists, unless nothing changes or the origin was revoked meanwhile. */
  store(listed: ListedTags): Promise<void> {
    return this.#change(listed.origin, async (packageSet) => {
      const { bucket, trust } = this.#with;
      if (trust.keyOf(listed.origin) === undefined) return;
      const place = tagNamesRecord(packageSet);
      const known = await readRecord(bucket, place);
      const { tags, origins } = mergedTags(known, listed);
      if (known !== null && tags.join(" ") === known.tags.join(" ")) return;
      await writeRecord(bucket, place, { tags, origins, listedAt: Date.now() });
    });
  }

  /** Deletes the record when names in it come from this origin. */
  withdraw(origin: string): Promise<void> {
    return this.#change(origin, async (packageSet) => {
      const { bucket } = this.#with;
      const place = tagNamesRecord(packageSet);
      const known = await readRecord(bucket, place);
      if (known?.origins.includes(origin)) await withdrawRecord(bucket, place.path);
    });
  }

  /** Never throws: the names are only shown, and nothing else depends on them. */
  #change(origin: string, change: (packageSet: string) => Promise<void>): Promise<void> {
    return this.#inTurn(async () => change(await this.#with.packageSet())).catch((error: unknown) =>
      note("error", "farm.storage", { origin, problem: `names of tags: ${String(error)}` }),
    );
  }
}

/**
 * An origin's list replaces all names that it may report. Names that others reported and it may not
 * stay, and the record then rests on those origins too.
 */
export function mergedTags(
  known: Pick<TagNamesRecord, "tags" | "origins"> | null,
  { tags, origin, mayTell }: ListedTags,
): Pick<TagNamesRecord, "tags" | "origins"> {
  const others = (known?.tags ?? []).filter((tag) => !mayTell(tag));
  const all = [...new Set([...tags.filter(mayTell), ...others])];
  return {
    tags: all.slice(0, MAX_TAG_NAMES).sort(),
    origins: others.length === 0 ? [origin] : union(known?.origins ?? [], origin),
  };
}

const union = (origins: readonly string[], origin: string): string[] =>
  [...new Set([...origins, origin])].sort();
