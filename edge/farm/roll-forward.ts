/**
 * Warm roll-forward: when a tag changes to another revision, the most pulled packages are published
 * for the new revision before the tag moves, so that pulls right after a channel update find their
 * packages built.
 *
 *   an origin says that latest is R2 now, while the bucket has R1
 *     → the packages that were published for R1, most pulled first, at most WARM_PACKAGES, are
 *       queued in the background for R2, for every system they were published for. Until they are
 *       done latest means R1
 *     → when all have ended, well or not, or WARM_SECONDS are over, latest means R2
 *
 * A tag that is new, or whose old revision has no published packages, moves at once. Pending moves
 * are kept in the Farm object's SQLite.
 */
import { readConfig } from "../config.ts";
import type { PackageItem } from "../contract/items.ts";
import { filesOf } from "../contract/package-set.ts";
import type { Env } from "../env.ts";
import { note } from "../log.ts";
import type { Bucket } from "../store/bucket.ts";
import { planInForce } from "../store/current.ts";
import { readRecord, type ResolvedTag, tagRecord, writeTag } from "../store/records.ts";
import { popularPackages } from "./popular-packages.ts";

/**
 * Prefix of the name under which a roll-forward requests its items; Build objects use their own
 * names.
 */
const WANTED_BY = "roll-forward ";

/** A tag on its way to another revision. */
interface Move extends ResolvedTag {
  readonly from: string;
  readonly begunAt: number;
  /** It moves at this time at the latest, ms since 1970. */
  readonly until: number;
  /** Keys of the items that have not ended. */
  readonly pending: readonly string[];
}

export interface RollForwardParts {
  readonly sql: SqlStorage;
  readonly bucket: Bucket;
  readonly limits: () => Promise<WarmLimits>;
  /**
   * Queues items in the background. Returns the keys of those that have not ended; null when they
   * were not taken.
   */
  readonly want: (
    wantedBy: string,
    items: readonly PackageItem[],
  ) => Promise<readonly string[] | null>;
  /** Whether an origin may be believed: it is configured, and not revoked. */
  readonly isInForce: (origin: string) => boolean;
  /** Has `wake` called at this time, ms since 1970. */
  readonly wakeBy: (at: number) => void;
}

/** When the bucket does not take a tag, it is tried again after this time, ms. */
const AGAIN = 60_000;

interface WarmLimits {
  /** Most packages that are published before a tag moves; 0: tags move at once. */
  readonly packages: number;
  /** Longest time that a tag waits for them, ms. */
  readonly wait: number;
}

export class RollForward {
  readonly #with: RollForwardParts;

  constructor(parts: RollForwardParts) {
    this.#with = parts;
    parts.sql.exec(
      "CREATE TABLE IF NOT EXISTS moves (tag TEXT PRIMARY KEY, data TEXT NOT NULL) WITHOUT ROWID",
    );
  }

  /** Whether this is the name of a roll-forward rather than a Build object. */
  static isName(wantedBy: string): boolean {
    return wantedBy.startsWith(WANTED_BY);
  }

  /**
   * An origin says what a tag means. Returns what it means for now: that, or what it meant before.
   */
  async resolved(said: ResolvedTag): Promise<string> {
    const { bucket, limits } = this.#with;
    const { packages, wait } = await limits();
    const known = await readRecord(bucket, tagRecord(said.packageSet, said.tag));
    const underWay = this.#moves().find(({ tag }) => tag === said.tag);
    if (known === null || known.revision === said.revision || packages === 0) {
      if (underWay !== undefined) this.#forget(said.tag);
      await writeTag(bucket, said);
      return said.revision;
    }
    if (underWay?.revision === said.revision) return known.revision;
    const items = await this.#itemsFor(said, known.revision, packages);
    const pending = items.length === 0 ? [] : await this.#with.want(WANTED_BY + said.tag, items);
    if (pending === null || pending.length === 0) {
      await writeTag(bucket, said);
      return said.revision;
    }
    const begunAt = Date.now();
    this.#save({ ...said, from: known.revision, begunAt, until: begunAt + wait, pending });
    note("info", "tag.warming", { tag: said.tag, to: said.revision, packages: items.length });
    return known.revision;
  }

  async #itemsFor(
    { packageSet, revision }: ResolvedTag,
    from: string,
    count: number,
  ): Promise<PackageItem[]> {
    const { bucket } = this.#with;
    const [popular, plan] = await Promise.all([
      popularPackages(bucket, packageSet, from),
      planInForce(bucket, packageSet),
    ]);
    return popular
      .slice(0, count)
      .flatMap(({ name, systems }) =>
        systems.map(
          (system) => ({ kind: "package", packageSet, revision, system, plan, name }) as const,
        ),
      );
  }

  /** Items have ended; the tag moves with the last of them. */
  async ended(wantedBy: string, keys: Iterable<string>): Promise<void> {
    const move = this.#moves().find(({ tag }) => WANTED_BY + tag === wantedBy);
    if (move === undefined) return;
    const over = new Set(keys);
    const pending = move.pending.filter((key) => !over.has(key));
    if (pending.length === 0) return this.#move({ ...move, pending });
    this.#save({ ...move, pending });
  }

  /** Moves the tags that have waited long enough. */
  async wake(now: number): Promise<void> {
    for (const move of this.#moves()) {
      if (move.until <= now) await this.#move(move);
      else this.#with.wakeBy(move.until);
    }
  }

  async #move(move: Move): Promise<void> {
    const { packageSet, tag, revision, origin, from, begunAt, pending } = move;
    if (!this.#with.isInForce(origin)) {
      note("warn", "tag.stays", { tag, from, origin, reason: "the origin was revoked" });
      return this.#forget(tag);
    }
    try {
      await writeTag(this.#with.bucket, { packageSet, tag, revision, origin });
    } catch (error) {
      note("error", "farm.storage", { tag, problem: String(error) });
      const again = Date.now() + AGAIN;
      if (this.#isUnderWay(move)) this.#save({ ...move, pending: [], until: again });
      return;
    }
    // Meanwhile an origin may have said that it means another one by now.
    if (this.#isUnderWay(move)) this.#forget(tag);
    const seconds = Math.round((Date.now() - begunAt) / 1_000);
    note("info", "tag.moved", { tag, from, to: revision, seconds, unfinished: pending.length });
  }

  /** Whether the tag is still on its way to this revision. */
  #isUnderWay = ({ tag, revision }: Move): boolean =>
    this.#moves().some((each) => each.tag === tag && each.revision === revision);

  #moves = (): Move[] =>
    this.#with.sql
      .exec<{ data: string }>("SELECT data FROM moves")
      .toArray()
      .map(({ data }) => JSON.parse(data) as Move);

  #save(move: Move): void {
    this.#with.sql.exec(
      "INSERT OR REPLACE INTO moves (tag, data) VALUES (?, ?)",
      move.tag,
      JSON.stringify(move),
    );
    this.#with.wakeBy(move.until);
  }

  #forget(tag: string): void {
    this.#with.sql.exec("DELETE FROM moves WHERE tag = ?", tag);
  }
}

/** How much a roll-forward publishes before a tag moves. */
export async function warmLimits(env: Env): Promise<WarmLimits> {
  const { warm, packageSet } = await readConfig(env);
  // A directory is not warmed: whoever edits it wants to pull its current contents.
  return filesOf(packageSet).kind === "path" ? { ...warm, packages: 0 } : warm;
}
