/** Entries of the queue as rows of SQLite, and back. Pure. */
import type { Times } from "../limits.ts";
import { type Entry, type Want, wantedFor, wantKey } from "../schedule/state.ts";

/**
 * An entry as JSON; its key is the row's. How long it is still wanted is left out: after a restart
 * that time starts again.
 */
export const rowOf = (entry: Omit<Entry, "key">) => ({
  ...entry,
  key: undefined,
  wants: Array.from(entry.wants.values(), (want) => ({ ...want, until: undefined })),
  tried: [...entry.tried],
  avoid: [...entry.avoid],
  lacking: [...entry.lacking],
  features: [...entry.features],
  owners: [...entry.owners],
});

/** The entry of a row that is read at `now`, ms since 1970. */
export function entryOf(key: string, data: string, times: Times, now: number): Entry {
  const row = JSON.parse(data) as ReturnType<typeof rowOf>;
  const wants = row.wants.map((want): [string, Want] => [
    wantKey(want),
    { ...want, until: now + wantedFor(want.purpose, times) },
  ]);
  return {
    ...row,
    key,
    // The origin sends its results again, now that the farm was restarted.
    unstoredUntil: 0,
    wants: new Map(wants),
    tried: new Set(row.tried),
    avoid: new Map(row.avoid),
    lacking: new Set(row.lacking),
    features: new Set(row.features),
    owners: new Set(row.owners),
  };
}
