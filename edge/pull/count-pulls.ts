/**
 * Counts pulls of packages, so that layer plans improve with use. An isolate counts in memory and
 * writes its counts behind an answer now and then: to Analytics Engine where DEMAND is bound,
 * otherwise to the bucket. When an isolate ends its latest counts are lost, which does not matter
 * to a plan: it uses shares, not sums.
 *
 * A client counts once a day per image, for at most MAX_IMAGES images a day, so that a flood of
 * requests or combinations cannot influence the plan. Only GET counts, by tag or by digest: docker
 * sends HEAD for the tag and GET for the digest, podman GET for the tag.
 */
import { clientAddress, clientKey } from "../access/limits.ts";
import type { Env } from "../env.ts";
import { addDemand, type DemandCount } from "../contract/demand.ts";
import type { Bucket } from "../store/bucket.ts";
import { memory } from "../store/memory.ts";
import { dayOf, demandRecord, writeRecord } from "../store/records.ts";
import { note } from "../log.ts";
import { resolveName } from "./aliases.ts";
import { openContext } from "./context.ts";

/**
 * Counts are written with an isolate's first pull and then at this interval, milliseconds: one
 * small object for each isolate and interval.
 */
const WRITE_MS = 60_000;
/**
 * Most image names that are counted between two writes; otherwise a flood of names would fill the
 * memory.
 */
const MAX_NAMES = 5_000;
/** Data points that one invocation may write to Analytics Engine. */
const MAX_POINTS = 250;

/**
 * Images of one client that count in a day: more than a person pulls, and too few for one address
 * to make a package look common.
 */
const MAX_IMAGES = 50;
/**
 * Memory for clients and the images that they pulled today, bytes. The client unseen for longest is
 * dropped, and counts again.
 */
const SEEN_BYTES = 2 * 2 ** 20;
const DAY_MS = 86_400_000;

interface Pulled {
  readonly day: number;
  readonly images: readonly string[];
}
const seen = memory<Pulled>(SEEN_BYTES, ({ images }) => 2 * images.join("").length);
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
  const counted = [...pulls];
  pulls.clear();
  ctx.waitUntil(
    write(counted, request, env, ctx).catch((error: unknown) =>
      note("error", "demand", { error: String(error) }),
    ),
  );
}

/** Whether this pull counts for its client. Always true where clients cannot be told apart. */
function isNew(name: string, request: Request, env: Env): boolean {
  const client = clientKey(null, clientAddress(request, env.CLIENT_ADDRESS_HEADER || null));
  if (client === null) return true;
  const day = Math.floor(Date.now() / DAY_MS);
  const known = seen.get(client);
  const images = known?.day === day ? known.images : [];
  if (images.length >= MAX_IMAGES || images.includes(name)) return false;
  seen.set(client, { day, images: [...images, name] });
  return true;
}

/**
 * Sums up by package. Every name was answered before, so it parses, and its aliases are in memory.
 */
async function sumOf(bucket: Bucket, names: readonly Counted[]): Promise<DemandCount> {
  return addDemand(
    await Promise.all(
      names.map(async ([name, times]) => {
        const request = await resolveName(bucket, name);
        return {
          pulls: times,
          packages: Object.fromEntries(request.names.map((each) => [each, times])),
        };
      }),
    ),
  );
}

/** An image's name, and how often it was pulled. */
type Counted = readonly [name: string, times: number];

async function write(
  names: readonly Counted[],
  request: Request,
  env: Env,
  ctx: Pick<ExecutionContext, "waitUntil">,
): Promise<void> {
  const { bucket, config } = await openContext(request, env, ctx);
  const set = config.packageSet.id;
  const counted = await sumOf(bucket, names);
  if (env.DEMAND === undefined) {
    const place = demandRecord(set, dayOf(Date.now()), crypto.randomUUID());
    await writeRecord(bucket, place, counted);
    return;
  }
  // The most pulled first, since the rest may not fit. The number of pulls itself is under the
  // package name "".
  const points = [
    ["", counted.pulls] as const,
    ...Object.entries(counted.packages).sort(([, a], [, b]) => b - a),
  ].slice(0, MAX_POINTS);
  for (const [name, times] of points)
    env.DEMAND.writeDataPoint({ indexes: [set], blobs: [name], doubles: [times] });
}
