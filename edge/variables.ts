/**
 * The Worker's variables: their names and meanings, and the schema of those that no room parses
 * itself.
 */
import * as v from "valibot";
import type { AccessVariables } from "./access/access-config.ts";
import type { LimitVariables } from "./access/limits.ts";
import { type BucketVariables, isBlobDelivery } from "./bucket-config.ts";
import type { VARIABLES } from "./contract/variable-names.ts";
import { isRevision, MAX_VOUCHES, type System, SYSTEMS, SystemSchema } from "./contract/records.ts";
import type { ReplicaVariables } from "./pull/replicas.ts";
import type { SigningKeyVariables } from "./referrers/signing-key.ts";
import type { RegionVariables } from "./farm/regions.ts";
import type { OriginVariables } from "./farm/origins/configured-origins.ts";

/** The variables as the runtime hands them over. An empty one counts as not set. */
export interface Variables
  extends
    AccessVariables,
    BucketVariables,
    LimitVariables,
    OriginVariables,
    RegionVariables,
    ReplicaVariables,
    SigningKeyVariables {
  /**
   * `starter`, `channel:<name>`, `git:<url>`, `path:<dir>` or `flake:<url>`:
   * contract/package-set.ts.
   */
  readonly PACKAGE_SET?: string;
  /** Longest time that a request is held while its build runs, seconds. */
  readonly BUILD_WAIT?: string;
  /** Comma-separated Nix systems that every image is built for; the first is the default. */
  readonly SYSTEMS?: string;
  /** Longest time that an index waits for platforms that were not asked for, seconds. */
  readonly PLATFORM_WAIT?: string;
  /**
   * How long a resolved tag is served without asking again, seconds. After that it is served stale
   * while an origin resolves it again.
   */
  readonly TAG_FRESH?: string;
  /**
   * Most items (tags, packages, lists of names) that may wait for origins, of all clients together.
   */
  readonly QUEUE_TOTAL?: string;
  /**
   * WARM_PACKAGES: how many of the most pulled packages are published for a tag's new revision
   * before the tag moves to it. Default 30; with 0 the tag moves at once. WARM_SECONDS: how long
   * that may take, default 600.
   */
  readonly WARM_PACKAGES?: string;
  readonly WARM_SECONDS?: string;
  /** `on`: layers are also made with zstd. */
  readonly ZSTD?: string;
  /** `on`: origins share built store paths through a Nix binary cache in the bucket. Needs S3_*. */
  readonly BINARY_CACHE?: string;
  /**
   * Most bytes that one origin may store in a day by uploads that the edge signs: `1T`, or `off`.
   */
  readonly UPLOADS_PER_DAY?: string;
  /** `on`: anybody sees how many origins there are and how long the queue is (GET /api/farm). */
  readonly FARM_PUBLIC?: string;
  /**
   * Header in which a proxy in front passes the client's address; needed outside Cloudflare only.
   */
  readonly CLIENT_ADDRESS_HEADER?: string;
  /**
   * Globs of the tags that may be requested from a channel or git repository; unset: any. `latest`,
   * commits and dates have rules of their own.
   */
  readonly TAGS?: string;
  /** Commits, separated by spaces or commas, that are served although no tag was seen at them. */
  readonly REVISIONS?: string;
  /**
   * How many origins, of different owners, must report the same result before it counts; default 1
   * (farm/publication/agreement.ts).
   */
  readonly AGREE?: string;
  /** `90d`: a daily garbage collection deletes what nobody has pulled for that long; or `off`. */
  readonly GC?: string;
  /** Globs of packages that may, and that may not, be requested: package-policy.ts. */
  readonly PACKAGES_ALLOW?: string;
  readonly PACKAGES_DENY?: string;
}

/** Longest BUILD_WAIT, seconds: no client waits longer for response headers. */
const MAX_BUILD_WAIT = 3_600;
const MAX_PLATFORM_WAIT = 600;
const MAX_TAG_FRESH = 86_400;
/** Most WARM_PACKAGES: the farm stores the list in one row. */
const MAX_WARM_PACKAGES = 1_000;
const MAX_WARM_SECONDS = 86_400;
/** More would fill the memory of the Farm object; more than the default takes too long to build. */
const MAX_QUEUE_TOTAL = 50_000;
const QUEUE_TOTAL = 20_000;

const DAY_SECONDS = 86_400;

const whole = (min: number, max: number, preset: number) => {
  const rule = `must be a whole number from ${min} to ${max}`;
  return v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,6}$/, rule),
      v.transform(Number),
      v.minValue(min, rule),
      v.maxValue(max, rule),
    ),
    String(preset),
  );
};
const seconds = (max: number, preset: number) => {
  const rule = `must be whole seconds from 0 to ${max}`;
  return v.optional(
    v.pipe(v.string(), v.regex(/^\d{1,6}$/, rule), v.transform(Number), v.maxValue(max, rule)),
    String(preset),
  );
};
const UNITS = { M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const;
/** `500G`: bytes; null for `off`. */
const bytes = (preset: string) =>
  v.optional(
    v.pipe(
      v.string(),
      v.regex(/^([1-9]\d{0,5}[MGT]|off)$/, "must be a number with M, G or T behind it, or off"),
      v.transform((text) =>
        text === "off"
          ? null
          : Number(text.slice(0, -1)) * UNITS[text.slice(-1) as keyof typeof UNITS],
      ),
    ),
    preset,
  );

/** The variables that belong to no room, each checked by itself. */
export const VariablesSchema = v.object({
  PACKAGE_SET: v.optional(v.string(), "starter"),
  BLOBS: v.optional(
    v.pipe(v.string(), v.check(isBlobDelivery, "must be stream, presign or public:<base URL>")),
    "stream",
  ),
  EDGE_HOST: v.optional(
    v.pipe(
      v.string(),
      v.regex(
        /^[^\s,/]*(\s*,\s*[^\s,/]+)*$/,
        "must be host or host:port, several with commas between them",
      ),
    ),
  ),
  BUILD_WAIT: seconds(MAX_BUILD_WAIT, 600),
  SYSTEMS: v.optional(
    v.pipe(
      v.string(),
      v.transform((text) => [...new Set(text.split(/[\s,]+/).filter((name) => name !== ""))]),
      v.check(
        (names) => names.every((name) => v.is(SystemSchema, name)),
        `must be one or more of ${SYSTEMS.join(", ")}, with commas`,
      ),
      v.transform((names) => names as System[]),
    ),
  ),
  PLATFORM_WAIT: seconds(MAX_PLATFORM_WAIT, 10),
  AGREE: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^([1-9]|1[0-6])$/, `must be a whole number from 1 to ${MAX_VOUCHES}`),
      v.transform(Number),
    ),
    "1",
  ),
  TAG_FRESH: seconds(MAX_TAG_FRESH, 60),
  // All of nixpkgs is a few times this; an origin that fills the bucket is noticed long before.
  UPLOADS_PER_DAY: bytes("1T"),
  QUEUE_TOTAL: whole(1, MAX_QUEUE_TOTAL, QUEUE_TOTAL),
  WARM_PACKAGES: whole(0, MAX_WARM_PACKAGES, 30),
  WARM_SECONDS: seconds(MAX_WARM_SECONDS, 600),
  ZSTD: v.optional(v.picklist(["on", "off"], "must be on or off")),
  BINARY_CACHE: v.optional(v.picklist(["on", "off"], "must be on or off")),
  FARM_PUBLIC: v.optional(v.picklist(["on", "off"], "must be on or off")),
  ALLOW_UNSAFE_ORIGINS: v.optional(v.picklist(["on", "off"], "must be on or off")),
  GC: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^(off|[1-9]\d{0,2}d)$/, "must be off, or days from 1d to 999d"),
      v.transform((text) => (text === "off" ? null : Number(text.slice(0, -1)) * DAY_SECONDS)),
    ),
    "off",
  ),
  REVISIONS: v.optional(
    v.pipe(
      v.string(),
      v.transform((text) => text.split(/[\s,]+/).filter((revision) => revision !== "")),
      v.check((all) => all.every(isRevision), "must be commits of 40 lower-case hex digits"),
    ),
    "",
  ),
  CLIENT_ADDRESS_HEADER: v.optional(
    v.pipe(v.string(), v.regex(/^[A-Za-z0-9-]+$/, "must be the name of a header")),
  ),
});

type Unlisted = Exclude<keyof Variables, (typeof VARIABLES)[number] | `LIMIT_${string}`>;
type Listed = Exclude<(typeof VARIABLES)[number], keyof Variables>;
/** Fails to compile unless contract/variable-names.ts lists exactly these variables. */
export const isListComplete: [Unlisted | Listed] extends [never] ? true : Unlisted | Listed = true;
