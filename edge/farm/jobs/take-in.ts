/** Takes items into the queue, within its limits, or joins items that are already queued. */
import type { Item } from "../../contract/items.ts";
import { note } from "../../log.ts";
import { type Asker, type Ending, itemKey, type Reply, traceOf } from "../builds/answer.ts";
import type { Times } from "../limits.ts";
import type { Schedule } from "../schedule/schedule.ts";
import { newEntry, wantedFor, wantKey } from "../schedule/state.ts";

export interface Bounds {
  /** Most items of one client that may wait; null: no separate limit. */
  readonly perClient: number | null;
  /** Most items that may wait. */
  readonly total: number;
}

/** `build`: the name of the Build object that asks. */
export interface Wanted extends Asker {
  readonly build: string;
  readonly items: readonly Item[];
}

interface TakeInParts {
  readonly schedule: Schedule;
  /** remembered-endings.ts. */
  readonly endings: {
    look(
      items: readonly Item[],
      now: number,
    ): { readonly known: Map<string, Ending>; readonly open: readonly Item[] };
  };
  readonly times: () => Times;
}

/**
 * Takes items into the queue, or joins those that are there. Idempotent; repeating it keeps the
 * items wanted. A request is taken whole or not at all. Joining queued items is not limited.
 */
export function takeIn(
  { build, items, client, purpose }: Wanted,
  { schedule, endings, times }: TakeInParts,
  bounds: Bounds,
  now: number,
): Reply {
  const { backlog } = schedule;
  const { known, open } = endings.look(items, now);
  for (const item of open) {
    const until = backlog.entries.get(itemKey(item))?.unstoredUntil ?? 0;
    if (now < until) known.set(itemKey(item), "unstored");
  }
  const want = { build, client: client ?? "", purpose, until: now + wantedFor(purpose, times()) };
  const fresh = open.filter((item) => !backlog.entries.has(itemKey(item)));
  if (fresh.length > 0) {
    const entries = fresh.map((item) =>
      newEntry({ key: itemKey(item), item, request: build, queuedAt: now }),
    );
    for (const entry of entries) {
      const kind = schedule.verdict(entry, now)?.kind;
      if (kind === "no-origin" || kind === "paused") return { state: kind };
    }
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
  // The job was assigned, and logged with its builds, before this build joined.
  for (const job of joined) note("info", "job.joined", { job, builds: [traceOf(build)] });
  return { state: "taken", known };
}

/**
 * The limit that is reached, if any. A client with nothing queued may have one request of any
 * length.
 */
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
