/** The state of the farms, for `GET /api/farm` and `/metrics`. */
import { readConfig } from "../config.ts";
import {
  FarmSchema,
  NO_TALLY,
  type FarmView,
  ORIGIN_STATES,
  type OriginView,
  PublicFarmSchema,
  type RegionView,
  WORLD,
} from "../contract/farm-state.ts";
import type { Env } from "../env.ts";
import { configuredOrigins } from "../farm/origins/configured-origins.ts";
import { allFarms } from "../farm/farms.ts";
import { type FarmOverview, unseen } from "../farm/overview.ts";
import { regionOfOrigin } from "../farm/regions.ts";
import { note } from "../log.ts";
import { json } from "./requests.ts";
import type { OperatorRequest } from "./authorize.ts";
import * as v from "valibot";

/** Most builds, and most failures, in one answer, over all regions. */
const MAX_PAST = 50;
/**
 * How long the public answer is reused, milliseconds, so that strangers cannot keep the farms busy.
 */
const PUBLIC_MEMORY = 5_000;

/** Everything to an operator, only counts to others, whom `authorizeViewer` has admitted. */
export async function farmState(request: OperatorRequest, env: Env): Promise<Response> {
  if (request.operator === undefined) return json(await publicView(env));
  return json(v.parse(FarmSchema, await farmView(env)));
}

/** Keyed by environment, since tests have several in one process. */
const publicViews = new WeakMap<Env, v.InferOutput<typeof PublicFarmSchema>>();

async function publicView(env: Env): Promise<v.InferOutput<typeof PublicFarmSchema>> {
  const known = publicViews.get(env);
  if (known !== undefined && Date.now() < known.at + PUBLIC_MEMORY) return known;
  // The schema drops what it does not name.
  const view = v.parse(PublicFarmSchema, await farmView(env));
  publicViews.set(env, view);
  return view;
}

interface Seen {
  readonly region: string;
  /** Null: the farm does not answer. */
  readonly overview: FarmOverview | null;
}

/** All farms, and every origin that is known or configured. */
export async function farmView(env: Env): Promise<FarmView> {
  const seen = await Promise.all(
    allFarms(env).map(async ({ region = WORLD, farm }): Promise<Seen> => {
      const overview = await farm.overview().catch((error: unknown) => {
        note("error", "farm.unreachable", { region, error: String(error) });
        return null;
      });
      return { region, overview };
    }),
  );
  const { regions } = await readConfig(env);
  const configured = Array.from(configuredOrigins(env).values(), ({ name, region }) => ({
    ...unseen(name, "gone"),
    region: regionOfOrigin(regions, region, undefined) ?? WORLD,
  }));
  const origins = merged(seen, configured);
  return {
    at: Date.now(),
    regions: seen.map((each) => regionView(each, origins)),
    origins,
    builds: past(seen, ({ builds }) => builds),
    failures: past(seen, ({ failures }) => failures),
  };
}

type Placed = FarmView["origins"][number];

/**
 * Each origin once, by name. Every farm knows whether it is revoked or drained; the rest comes from
 * the farm to which it is, or was last, connected.
 */
function merged(seen: readonly Seen[], configured: readonly Placed[]): Placed[] {
  const known = seen.flatMap(({ region, overview }) =>
    (overview?.origins ?? []).map((origin) => ({ ...origin, region })),
  );
  const best = new Map<string, Placed>(configured.map((origin) => [origin.name, origin]));
  for (const origin of known) {
    const other = best.get(origin.name);
    const region = origin.seen === null ? (other?.region ?? origin.region) : origin.region;
    if (other === undefined || weight(origin) >= weight(other))
      best.set(origin.name, { ...origin, region });
  }
  return [...best.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

const weight = ({ connected, seen }: OriginView): number => (connected ? Infinity : (seen ?? -1));

function regionView({ region, overview }: Seen, all: readonly Placed[]): RegionView {
  const here = all.filter((origin) => origin.region === region);
  const working = here.filter(({ state }) => state === "connected");
  const states = ORIGIN_STATES.map((name): [typeof name, number] => [
    name,
    here.filter(({ state }) => state === name).length,
  ]);
  const jobs = (lane: "tags" | "packages"): number =>
    here.reduce((sum, origin) => sum + origin.jobs[lane], 0);
  return {
    region,
    reachable: overview !== null,
    origins: {
      connected: here.filter(({ connected }) => connected).length,
      slots: working.reduce((sum, { slots }) => sum + slots, 0),
      states: Object.fromEntries(states) as RegionView["origins"]["states"],
    },
    queued: overview?.queued ?? { tags: 0, packages: 0 },
    jobs: { tags: jobs("tags"), packages: jobs("packages") },
    tally: overview?.tally ?? NO_TALLY,
    uploadedToday: overview?.uploadedToday ?? 0,
  };
}

/** The latest entries of all regions, newest first. */
const past = (
  seen: readonly Seen[],
  jobsOf: (overview: FarmOverview) => FarmOverview["builds"],
): FarmView["builds"] =>
  seen
    .flatMap(({ region, overview }) =>
      overview === null ? [] : jobsOf(overview).map((job) => ({ region, ...job })),
    )
    .sort((a, b) => b.at - a.at)
    .slice(0, MAX_PAST);
