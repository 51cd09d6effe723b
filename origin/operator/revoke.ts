/**
 * `firn revoke NAME`: when an origin is compromised. Its connections end at once and it is let in
 * no more; what rests on it is shown, and withdrawn with `withdraw`, so that other origins make it
 * again at the next pull.
 *
 * An isolate of the edge may have a record in memory for a while, and compose an image of it. So
 * the images are looked through once more when that time is over.
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  ORIGIN_RECORD_KINDS,
  type OriginRecordKind,
  type OriginRecord,
} from "../../edge/contract/operator.ts";
import type { OperatorClient } from "./client.ts";

export interface RevokeOptions {
  readonly origin: string;
  /** Only what was written at or after it, milliseconds since 1970. */
  readonly since: number;
  /** Delete what rests on it. */
  readonly withdraw: boolean;
  /** Tells the person at the terminal how far it is. */
  readonly tell: (line: string) => void;
  /** Waits, milliseconds; setTimeout does when left out. */
  readonly wait?: (ms: number) => Promise<unknown>;
}

export interface Revocation {
  readonly origin: string;
  /** Whether it was connected. */
  readonly connected: boolean;
  /** Whether the records were withdrawn. */
  readonly withdrawn: boolean;
  readonly records: readonly OriginRecord[];
}

/** What is left after a withdrawal: an operator makes another plan by `firn plan`. */
const KEPT: ReadonlySet<OriginRecordKind> = new Set(["plans"]);
/** What isolates make of what they have in memory. */
const DERIVED: readonly OriginRecordKind[] = ["images"];
/** Clocks of buckets and edges differ, and listings tell whole seconds, ms. */
const CLOCK_MARGIN = 10_000;
/** Beside the edge's word, ms: a request that was under way writes a little later. */
const MEMORY_MARGIN = 5_000;

/** Throws an Error when the edge does not answer, or lets the operator do none of this. */
export async function revoke(client: OperatorClient, options: RevokeOptions): Promise<Revocation> {
  const { origin, since, withdraw, tell, wait = sleep } = options;
  const { connected, at, memoryMs } = await client.revoke(origin);
  tell(`${origin} is revoked${connected ? ", and its connection ended" : ""}`);
  const records: OriginRecord[] = [];
  for (const kind of ORIGIN_RECORD_KINDS) {
    const removes = withdraw && !KEPT.has(kind);
    records.push(...(await look(client, kind, { ...options, withdraw: removes })));
  }
  if (!withdraw || records.every(({ kind }) => KEPT.has(kind)))
    return { origin, connected, withdrawn: withdraw, records };
  tell(
    `waiting for ${Math.ceil((memoryMs + MEMORY_MARGIN) / 1_000)} s, until no edge remembers it`,
  );
  await wait(memoryMs + MEMORY_MARGIN);
  const again = Math.max(since, at - CLOCK_MARGIN);
  for (const kind of DERIVED)
    records.push(...(await look(client, kind, { ...options, since: again })));
  return { origin, connected, withdrawn: true, records };
}

async function look(
  client: OperatorClient,
  kind: OriginRecordKind,
  { origin, since, withdraw, tell }: RevokeOptions,
): Promise<OriginRecord[]> {
  const records: OriginRecord[] = [];
  let looked = 0;
  for await (const page of client.recordsOf(origin, kind, { since, withdraw })) {
    records.push(...page.found);
    looked += page.looked;
    const done = withdraw ? "withdrawn" : "found";
    tell(`${kind}: ${looked} looked at, ${records.length} ${done}`);
  }
  return records;
}

/** Names of records that a person is shown of each kind; `--json` has all. */
const MAX_SHOWN = 20;
const COLUMNS = [12, 8, 12] as const;

const row = (cells: readonly (string | number)[]): string =>
  cells
    .map((cell, at) =>
      at === 0 ? String(cell).padEnd(COLUMNS[0]) : String(cell).padStart(COLUMNS[at] ?? 0),
    )
    .join("");

/** A revocation as a table, and the names that an operator may want to look at. */
export function shown({ origin, connected, withdrawn, records }: Revocation): string {
  const of = (kind: OriginRecordKind): OriginRecord[] =>
    records.filter((record) => record.kind === kind);
  const rows = ORIGIN_RECORD_KINDS.map((kind) => {
    const own = of(kind).filter((record) => record.own).length;
    return row([kind, own, of(kind).length - own]);
  });
  const names = (["images", "tags", "plans"] as const).flatMap((kind) => {
    const all = [...new Set(of(kind).map(({ what }) => what))].sort();
    const more = all.length > MAX_SHOWN ? `, and ${all.length - MAX_SHOWN} more` : "";
    return all.length === 0 ? [] : [`${kind}: ${all.slice(0, MAX_SHOWN).join(", ")}${more}`];
  });
  return [
    `${origin} is revoked; it was ${connected ? "" : "not "}connected`,
    "",
    row(["", "its own", "made of it"]),
    ...rows,
    "",
    ...names,
    ...(names.length > 0 ? [""] : []),
    ending(withdrawn, records),
  ].join("\n");
}

function ending(withdrawn: boolean, records: readonly OriginRecord[]): string {
  const removable = records.filter(({ kind }) => !KEPT.has(kind)).length;
  const plans = records.length > removable ? " Plans stay: `firn plan` makes another." : "";
  if (removable === 0) return `Nothing else rests on it.${plans}`;
  if (!withdrawn) return `Nothing was withdrawn: --delete withdraws ${removable} records.${plans}`;
  return (
    `${removable} records are withdrawn, and made again when they are pulled. Their ` +
    `layers stay in blobs/, where no record names them.${plans}`
  );
}

/** Whether something that can be withdrawn rests on the origin still. */
export const isLeft = ({ withdrawn, records }: Revocation): boolean =>
  !withdrawn && records.some(({ kind }) => !KEPT.has(kind));
