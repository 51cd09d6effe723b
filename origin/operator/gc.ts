/**
 * `firn gc`: has the edge collect garbage in the bucket, step by step, and shows what is in use,
 * what is not, and what was deleted. When it is interrupted, the next call resumes the run.
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Count,
  GC_KINDS,
  type GcKind,
  type GcProgress,
  type GcTerms,
  type KindCounts,
  NOTHING,
} from "../../edge/contract/housekeeping.ts";
import type { OperatorClient } from "./client.ts";
import { duration, size, table } from "./table.ts";

/**
 * Runs it to its end. Throws an Error when the edge does not answer, or another run is under way.
 */
export async function gc(
  client: Pick<OperatorClient, "beginGc" | "stepGc">,
  terms: GcTerms,
  tell: (line: string) => void,
): Promise<GcProgress> {
  let progress = await client.beginGc(terms);
  const began = new Date(progress.startedAt).toISOString();
  if (progress.at !== null && Object.keys(progress.kinds).length > 0)
    tell(`resuming the run that was begun at ${began}`);
  while (!progress.done) {
    if (progress.waitMs > 0) {
      tell(`waiting for ${Math.ceil(progress.waitMs / 1_000)} s, until no edge remembers an image`);
      await sleep(progress.waitMs);
    }
    const before = progress.at;
    progress = await client.stepGc(progress.run);
    if (before !== null) tell(line(before, progress));
  }
  return progress;
}

const NONE: KindCounts = { kept: NOTHING, unused: NOTHING, deleted: NOTHING };

function line(kind: GcKind, { kinds, terms }: GcProgress): string {
  const { kept, unused, deleted } = kinds[kind] ?? NONE;
  const looked = kept.objects + unused.objects + deleted.objects;
  const did = terms.delete ? "deleted" : "to be deleted";
  return `${WORDS[kind]}: ${looked} looked at, ${deleted.objects} ${did}`;
}

const WORDS: Readonly<Record<GcKind, string>> = {
  images: "images",
  packages: "packages",
  indexes: "lists of names",
  layers: "layer records",
  narinfos: "binary cache",
  demand: "pull counts",
  blobs: "blobs",
  nars: "binary cache files",
};

const cells = ({ objects, bytes }: Count): string[] => [String(objects), size(bytes)];

/** A run that is done, as a table and what it means. Pure. */
export function shownGc(progress: GcProgress): string {
  const { kinds, terms } = progress;
  const rows = GC_KINDS.flatMap((kind) => {
    const counts = kinds[kind];
    if (counts === undefined) return [];
    const { kept, unused, deleted } = counts;
    return [[WORDS[kind], ...cells(kept), ...cells(unused), ...cells(deleted)]];
  });
  const total = Object.values(kinds);
  const sum = (pick: (counts: KindCounts) => Count): string[] =>
    cells({
      objects: total.reduce((all, counts) => all + pick(counts).objects, 0),
      bytes: total.reduce((all, counts) => all + pick(counts).bytes, 0),
    });
  const head = ["", "IN USE", "", "UNUSED", "", terms.delete ? "DELETED" : "TO DELETE", ""];
  const last = [
    "total",
    ...sum(({ kept }) => kept),
    ...sum(({ unused }) => unused),
    ...sum(({ deleted }) => deleted),
  ];
  return [...table([head, ...rows, last], [1, 2, 3, 4, 5, 6]), "", ending(progress)].join("\n");
}

function ending({ kinds, terms, since, startedAt }: GcProgress): string {
  const isAny = (pick: (counts: KindCounts) => Count): boolean =>
    Object.values(kinds).some((counts) => pick(counts).objects > 0);
  const grace = duration(terms.grace);
  const parts: string[] = [];
  if (since > startedAt - terms.unused * 1_000)
    parts.push(
      `Pulls are recorded since ${new Date(since).toISOString()}: no image counts as unused before ` +
        `${new Date(since + terms.unused * 1_000).toISOString()}.`,
    );
  if (!terms.delete) parts.push("Nothing was changed: --delete condemns what is unused.");
  if (terms.delete && isAny(({ unused }) => unused))
    parts.push(`What is unused is condemned: a run in ${grace} or later deletes it.`);
  if (!isAny(({ unused }) => unused) && !isAny(({ deleted }) => deleted))
    parts.push("Everything is in use.");
  return parts.join("\n");
}
