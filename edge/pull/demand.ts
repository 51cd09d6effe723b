/**
 * Counts what is pulled, so that layer plans get better with use. An isolate counts in memory and
 * writes its counts behind an answer now and then: to Analytics Engine where DEMAND is bound, else
 * to the bucket. The last counts of an isolate that ends are lost: a plan needs shares, not sums.
 *
 * A client counts once a day for an image, however often it asks, so that nobody steers the plan by
 * a flood of requests. Only GET counts, by tag or by digest: docker sends HEAD for the tag and GET
 * for the digest, podman GET for the tag.
 */
import { LRUCache } from "lru-cache";
import { clientAddress, clientKey } from "../access/limits.ts";
import type { Env } from "../env.ts";
import { addDemand, type DemandCount } from "../contract/demand.ts";
import { parseImageName } from "../contract/names.ts";
import { demandRecord, writeRecord } from "../store/records.ts";
import { note } from "../log.ts";
import { openContext } from "./context.ts";

/**
 * Counts are written with an isolate's first pull and then this often, milliseconds: one small
 * object for each isolate and interval.
 */
const WRITE_MS = 60_000;
/**
 * Image names counted between two writes; more are not counted, or a flood of names would fill the
 * memory.
 */
const MAX_NAMES = 5_000;
/** Data points that one invocation may write to Analytics Engine. */
const MAX_POINTS = 250;

/** Pairs of client and image that are kept apart; the pair unseen for longest counts again. */
const MAX_SEEN = 50_000;
const DAY_MS = 86_400_000;

const seen = new LRUCache<string, true>({ max: MAX_SEEN });
const pulls = new Map<string, number>();
let writeAt = 0;

/** To be called for every manifest answered, with the image's name as in the path. */
export function countPull(
  name: string,
  request: Request,
  env: Env,
  ctx: Pick<ExecutionContext, "waitUntil">,
): void {
  if (request.method !== "GET" || !isNew(name, request, env)) return;
  const times = pulls.get(name);
  if (times === undefined && pulls.size >= MAX_NAMES) return;
  pulls.set(name, (times ?? 0) + 1);
  const now = Date.now();
  if (now < writeAt) return;
  writeAt = now + WRITE_MS;
  const counted = sumOf(pulls);
  pulls.clear();
  ctx.waitUntil(
    write(counted, request, env, ctx).catch((error: unknown) =>
      note("error", "demand", { error: String(error) }),
    ),
  );
}

/** Whether this client has not pulled the image today. Always, where clients are not known. */
function isNew(name: string, request: Request, env: Env): boolean {
  const client = clientKey(null, clientAddress(request, env.CLIENT_ADDRESS_HEADER || null));
  if (client === null) return true;
  const key = `${Math.floor(Date.now() / DAY_MS)} ${client} ${name}`;
  if (seen.has(key)) return false;
  seen.set(key, true);
  return true;
}

/** By package. Every name was answered before, so it parses. */
function sumOf(names: ReadonlyMap<string, number>): DemandCount {
  return addDemand(
    Array.from(names, ([name, times]) => ({
      pulls: times,
      packages: Object.fromEntries(parseImageName(name).names.map((each) => [each, times])),
    })),
  );
}

async function write(
  counted: DemandCount,
  request: Request,
  env: Env,
  ctx: Pick<ExecutionContext, "waitUntil">,
): Promise<void> {
  const { bucket, config } = await openContext(request, env, ctx);
  const set = config.packageSet.id;
  if (env.DEMAND === undefined) {
    const day = new Date().toISOString().slice(0, "yyyy-mm-dd".length);
    await writeRecord(bucket, demandRecord(set, day, crypto.randomUUID()), counted);
    return;
  }
  // What is pulled most first, since the rest may not fit. The pulls themselves are the package "".
  const points = [
    ["", counted.pulls] as const,
    ...Object.entries(counted.packages).sort(([, a], [, b]) => b - a),
  ].slice(0, MAX_POINTS);
  for (const [name, times] of points)
    env.DEMAND.writeDataPoint({ indexes: [set], blobs: [name], doubles: [times] });
}
