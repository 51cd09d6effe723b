/** A schedule with origins and items, in short: for the tables of the tests. Times are seconds. */
import type { Item } from "../../../../edge/contract/items.ts";
import type { Times } from "../../../../edge/farm/limits.ts";
import { hashOf } from "../../../../edge/farm/schedule/place.ts";
import { Schedule } from "../../../../edge/farm/schedule/schedule.ts";
import {
  newEntry,
  type Entry,
  type Job,
  type OriginState,
  type Purpose,
  type Want,
} from "../../../../edge/farm/schedule/state.ts";

export const REVISION = "a".repeat(40);
export const TIMES: Times = {
  hello: 10,
  accept: 5,
  reconnect: 10,
  lease: 60,
  avoid: 5,
  paused: 30,
  unstored: 30,
  queue: 3_600,
  job: 10_800,
  wanted: 90,
  recheck: 30,
  kept: 30,
};

export const origin = (name: string, more: Partial<OriginState> = {}): OriginState => ({
  name,
  hash: hashOf(name),
  owner: name,
  systems: ["x86_64-linux"],
  features: [],
  slots: 1,
  revisions: new Set([REVISION]),
  connected: true,
  seen: 0,
  leaving: false,
  accepting: true,
  pausedAt: 0,
  drained: false,
  failures: 0,
  restUntil: 0,
  onTrial: false,
  held: { tags: 0, packages: 0 },
  ...more,
});

export const packageItem = (name: string, more: object = {}): Item => ({
  kind: "package",
  packageSet: "starter",
  revision: REVISION,
  system: "x86_64-linux",
  plan: "none",
  name,
  ...more,
});
export const tagItem = (tag: string): Item => ({ kind: "tag", packageSet: "starter", tag });

export const want = (client: string, more: Partial<Want> = {}): Want => ({
  build: `build of ${client}`,
  client,
  purpose: "waiting",
  until: Infinity,
  ...more,
});

/** An item that `client` asked for; its key is the package's name or the tag. */
export function entry(item: Item, client = "x", more: Partial<Entry> = {}): Entry {
  const key = item.kind === "tag" ? item.tag : item.kind === "package" ? item.name : "index";
  return {
    ...newEntry({ key, item, request: `${client} asks for ${key}`, queuedAt: 0 }),
    wants: new Map([[`${client}\nbuild of ${client}`, want(client)]]),
    ...more,
  };
}

/** Entries of one request for several packages. */
export const request = (
  client: string,
  names: readonly string[],
  purpose: Purpose = "waiting",
): Entry[] =>
  names.map((name) =>
    entry(packageItem(name), client, {
      request: `${client}: ${names.join()}`,
      wants: new Map([[`${client}\nbuild of ${client}`, want(client, { purpose })]]),
    }),
  );

export function farm(origins: readonly OriginState[], entries: readonly Entry[] = []): Schedule {
  let jobs = 0;
  const schedule = new Schedule(
    () => TIMES,
    () => String(++jobs),
  );
  for (const each of origins) schedule.enter(each);
  for (const each of entries) schedule.backlog.add(each);
  return schedule;
}

/** `git,curl→a jq→b`: jobs in the order in which they are given. */
export const short = (jobs: readonly Job[]): string =>
  jobs.map(({ keys, origin: name }) => `${keys.join()}→${name}`).join(" ");

/** The job that holds an item. */
export function jobOf(schedule: Schedule, key: string): Job {
  const job = schedule.jobs.get(schedule.backlog.entries.get(key)?.job ?? "");
  if (job === undefined) throw new Error(`no job holds ${key}`);
  return job;
}

/** The origin has done the item's job. */
export function done(schedule: Schedule, key: string): void {
  const job = jobOf(schedule, key);
  for (const each of schedule.open(job)) schedule.end(each);
}
