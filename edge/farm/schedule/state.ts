/** The schedule's data: items of the queue, jobs, and origins. Plain data. */
import type { Item } from "../../contract/items.ts";
import type { System } from "../../contract/records.ts";
import type { Times } from "../limits.ts";

/** Resolving a tag takes a second, publishing a package minutes: neither waits for the other. */
export const LANES = ["tags", "packages"] as const;
export type Lane = (typeof LANES)[number];

/** Why an item is wanted: somebody's pull waits for it, or nobody waits (warming, a stale tag). */
export const PURPOSES = ["waiting", "background"] as const;
export type Purpose = (typeof PURPOSES)[number];

/** How long an item counts as wanted, ms. Nobody repeats the request for background work. */
export const wantedFor = (purpose: Purpose, { wanted, queue }: Times): number =>
  purpose === "waiting" ? wanted : queue;

/** Who wants an item: who pays for it, and whom to tell. */
export interface Want {
  /** Name of the Build object to tell. */
  readonly build: string;
  /** Account or address; empty when it is nobody in particular. */
  readonly client: string;
  readonly purpose: Purpose;
  /** It counts until this time, unless Build asks again: nobody may be waiting any more. */
  until: number;
}

/** An item of the queue, from when it is first wanted to its result. */
export interface Entry {
  readonly key: string;
  readonly item: Item;
  /** The request with which it came: a job is made of items that came together. */
  readonly request: string;
  readonly queuedAt: number;
  /** Who wants it, by wantKey. */
  readonly wants: Map<string, Want>;
  /** The job by which an origin holds it; null while it is queued. */
  job: string | null;
  /** How often it was begun without coming to an end. */
  attempts: number;
  /** Origins that began it: the next attempt goes to another one, if there is one. */
  readonly tried: Set<string>;
  /** Origin → until when it is not offered this item. */
  readonly avoid: Map<string, number>;
  /** Origins that lack what it needs: its revision. */
  readonly lacking: Set<string>;
  /** Nix system features that it needs, as far as an origin said so. */
  readonly features: Set<string>;
  /** Owners whose origins have already made it, where several must agree. */
  readonly owners: Set<string>;
  /** How many origins were lost while they worked on it, and did not come back with it. */
  losses: number;
  /** The last problem, for the operator's log. */
  trouble: string;
  /** Until when it counts as made and not stored, ms since 1970; 0 when it does not. */
  unstoredUntil: number;
}

/** A new entry: no origin has had the item, and no client wants it yet. */
export const newEntry = ({
  key,
  item,
  request,
  queuedAt,
}: Pick<Entry, "key" | "item" | "request" | "queuedAt">): Entry => ({
  key,
  item,
  request,
  queuedAt,
  wants: new Map(),
  job: null,
  attempts: 0,
  tried: new Set(),
  avoid: new Map(),
  lacking: new Set(),
  features: new Set(),
  owners: new Set(),
  losses: 0,
  trouble: "",
  unstoredUntil: 0,
});

/** Items that one origin was given under one lease. They never change. */
export interface Job {
  readonly id: string;
  readonly origin: string;
  readonly lane: Lane;
  readonly keys: readonly string[];
  since: number;
  accepted: boolean;
  /**
   * When it was taken back, ms since 1970; null while the origin holds it. Late results are still
   * accepted, and an origin that comes back keeps those items that nobody else has by then.
   */
  lostAt: number | null;
}

export interface OriginState {
  readonly name: string;
  /** hashOf its name (place.ts). */
  readonly hash: number;
  readonly owner: string;
  readonly systems: readonly System[];
  readonly features: readonly string[];
  /** Jobs that it can run at once, not counting tags. */
  readonly slots: number;
  /** Globs of tags that it may resolve; undefined: any. */
  readonly tags?: readonly string[] | undefined;
  readonly revisions: Set<string>;
  connected: boolean;
  /** When it was last heard from; if it is not connected, when its connection was lost. */
  seen: number;
  /** It said bye: it finishes what it has and takes nothing more. */
  leaving: boolean;
  /** Whether it takes jobs now, as it says: not while its disk is full. */
  accepting: boolean;
  /** Since when it takes none, ms since 1970; 0 when it does, or that is not known. */
  pausedAt: number;
  /** An operator wants it to take no more jobs. */
  drained: boolean;
  /** Jobs that it failed in a row. */
  failures: number;
  /** It is given nothing until this time, and then one job at a time until one is done. */
  restUntil: number;
  /** Whether its next job decides if it is healthy again. */
  onTrial: boolean;
  /** Jobs that it holds. */
  readonly held: Record<Lane, number>;
}

/** Key of a want: one for each build and client. */
export const wantKey = ({ build, client }: Pick<Want, "build" | "client">): string =>
  `${client}\n${build}`;

/** The lane in which an item is queued. */
export const laneOf = ({ kind }: Item): Lane => (kind === "tag" ? "tags" : "packages");

/** The system that an origin must build for; undefined for a tag, which any can resolve. */
export const systemOf = (item: Item): System | undefined =>
  item.kind === "tag" ? undefined : item.system;

/** The revision that an origin must have; undefined for a tag. */
export const revisionOf = (item: Item): string | undefined =>
  item.kind === "tag" ? undefined : item.revision;

/** Items that may be in one job: packages of one revision, system and plan; indexes; one tag. */
export function groupOf(item: Item): string {
  switch (item.kind) {
    case "tag":
      return `tag ${item.packageSet} ${item.tag}`;
    case "index":
      return `index ${item.packageSet} ${item.revision} ${item.system}`;
    case "package":
      return `package ${item.packageSet} ${item.revision} ${item.system} ${item.plan}`;
  }
}

/** The most urgent purpose for which an item is wanted. */
export function purposeOf(entry: Pick<Entry, "wants">): Purpose {
  for (const { purpose } of entry.wants.values()) if (purpose === "waiting") return purpose;
  return "background";
}

/** Whether somebody still wants an entry. */
export const isWanted = (entry: Pick<Entry, "wants">, now: number): boolean => {
  for (const { until } of entry.wants.values()) if (now < until) return true;
  return false;
};

/** Whether something happened to it that affects which origin may have it next. */
export const isReturned = ({ attempts, avoid, lacking, features, owners }: Entry): boolean =>
  attempts > 0 || avoid.size + lacking.size + features.size + owners.size > 0;
