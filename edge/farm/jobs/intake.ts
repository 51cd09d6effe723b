/** Takes items into the queue, within its bounds, or joins items that are queued already. */
import type { Item } from "../../contract/items.ts";
import { note } from "../../log.ts";
import { type Asker, itemKey, type Reply, traceOf } from "../builds/answer.ts";
import type { Times } from "../limits.ts";
import { wantedFor } from "../schedule/state.ts";
import type { Queue } from "./queue.ts";
import type { Schedule } from "../schedule/schedule.ts";
import { newEntry, wantKey } from "../schedule/state.ts";

export interface Bounds {
  /** Items of one client that may wait; null: no limit of its own. */
  readonly perClient: number | null;
  /** Items that may wait. */
  readonly total: number;
}

/** `build`: the name of the Build object that asks. */
export interface Wanted extends Asker {
  readonly build: string;
  readonly items: readonly Item[];
}

interface IntakeParts {
  readonly schedule: Schedule;
  readonly queue: Queue;
  readonly times: () => Times;
}

/**
 * Takes items into the queue, or joins those that are there. Idempotent; repeating it keeps the
 * items wanted. A request is taken whole or not at all. Joining items that are queued already is
 * not bounded.
 */
export function take(
  { build, items, client, purpose }: Wanted,
  { schedule, queue, times }: IntakeParts,
  bounds: Bounds,
  now: number,
): Reply {
  const { backlog } = schedule;
  const { known, open } = queue.look(items, now);
  const want = { build, client: client ?? "", purpose, until: now + wantedFor(purpose, times()) };
  const fresh = open.filter((item) => !backlog.entries.has(itemKey(item)));
  if (fresh.length > 0) {
    const entries = fresh.map((item) =>
      newEntry({ key: itemKey(item), item, request: build, queuedAt: now }),
    );
    if (entries.some((entry) => schedule.verdict(entry, now)?.kind === "no-origin"))
      return { state: "no-origin" };
    const full = whichIsFull(fresh.length, client, schedule, bounds);
    if (full !== undefined) return { state: "queue-full", ...full };
    for (const entry of entries) backlog.add(entry);
  }
  const joined = new Set<string>();
  for (const item of open) {
    const entry = backlog.entries.get(itemKey(item));
    if (entry === undefined) continue;
    if (entry.job !== null && !entry.wants.has(wantKey(want))) joined.add(entry.job);
    backlog.want(entry, { ...want });
  }
  // The job was assigned before, and logged with the builds of that time.
  for (const job of joined) note("info", "job.joined", { job, builds: [traceOf(build)] });
  return { state: "taken", known };
}

/** A client whose queue is empty may have one request, however long that is. */
function whichIsFull(
  count: number,
  client: string | null,
  { backlog }: Schedule,
  { perClient, total }: Bounds,
): { readonly yours: boolean; readonly limit: number } | undefined {
  const own = client === null ? 0 : backlog.queuedBy(client);
  if (perClient !== null && own > 0 && own + count > perClient)
    return { yours: true, limit: perClient };
  if (backlog.queued + count > total) return { yours: false, limit: total };
  return undefined;
}
