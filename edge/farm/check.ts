/**
 * Whether a result is an answer to its job: everything about it that can be told without looking
 * into the bucket. The schema has been checked already. An origin may be wrong, or lie: what it
 * says here ends up in images.
 */
import { canonicalJson } from "../contract/keys.ts";
import type { Descriptor, Layer, LevelRecord, PackageRecord } from "../contract/records.ts";
import { MAX_RECORD } from "./limits.ts";
import type { Outcome, PublishJob, Result, Work } from "../contract/messages.ts";

/** A result that is not taken; the message says what is wrong with it. */
export class Untrue extends Error {
  override readonly name = "Untrue";
}

/**
 * Throws Untrue unless the result answers every item of the job once, with a record that belongs to
 * it and is coherent in itself.
 */
export function checkResult(work: Work, result: Result): void {
  if (work.kind === "resolve") {
    if (result.kind !== "resolved")
      throw new Untrue("the job was to resolve a tag, the result is something else");
    return;
  }
  if (result.kind !== "published")
    throw new Untrue("the job was to publish packages, the result is something else");
  const open = new Set(work.items.map(({ name, level }) => itemKey(name, level)));
  for (const outcome of result.outcomes) {
    if (!open.delete(outcomeKey(outcome)))
      throw new Untrue(`${outcomeKey(outcome)} was not asked for, or comes twice`);
    if (outcome.kind === "package") checkPackage(work, outcome.record, outcome.name);
    if (outcome.kind !== "failure" && canonicalJson(outcome.record).length > MAX_RECORD)
      throw new Untrue(`the record of ${outcome.name} is longer than ${MAX_RECORD} characters`);
  }
  if (open.size > 0) throw new Untrue(`no outcome for ${[...open].join(", ")}`);
}

/** Names an item among those of one job. */
export const itemKey = (name: string, level: number | undefined): string =>
  level === undefined ? name : `${name}~${level}`;

export const outcomeKey = (outcome: Outcome): string =>
  itemKey(
    outcome.name,
    outcome.kind === "package"
      ? undefined
      : outcome.kind === "level"
        ? outcome.record.level
        : outcome.level,
  );

function checkPackage(work: PublishJob, record: PackageRecord, name: string): void {
  const wrong = (["packageSet", "revision", "system", "plan"] as const).find(
    (field) => record[field] !== work[field],
  );
  if (wrong !== undefined)
    throw new Untrue(`the record of ${name} is for ${wrong} ${record[wrong]}, not ${work[wrong]}`);
  if (record.name !== name) throw new Untrue(`the record of ${name} is that of ${record.name}`);
  if (new Set(record.parts.map(({ key }) => key)).size < record.parts.length)
    throw new Untrue(`the record of ${name} has a part twice`);
  for (const level of record.levels) {
    if (level.some((index) => index >= record.parts.length))
      throw new Untrue(`a level of ${name} names a part that does not exist`);
    if (new Set(level).size < level.length)
      throw new Untrue(`a level of ${name} names a part twice`);
  }
  checkLayers(record, record.level, record.layers);
}

/** Throws Untrue unless the layers are the parts of that level of the record, in order. */
export function checkLayers(record: PackageRecord, level: number, layers: readonly Layer[]): void {
  const keys = record.levels[level]?.map((index) => record.parts[index]?.key) ?? [];
  if (keys.length === 0) throw new Untrue(`${record.name} has no level ${level} that can be used`);
  if (keys.length !== layers.length || keys.some((key, at) => key !== layers[at]?.key))
    throw new Untrue(`the layers of ${record.name} are not the parts of level ${level}`);
}

/** Every blob that a result names, by digest. Throws Untrue when one is named with two sizes. */
export function blobsOf(result: Result): Map<Descriptor["digest"], number> {
  const blobs = new Map<Descriptor["digest"], number>();
  const add = ({ digest, size }: Descriptor): void => {
    const known = blobs.get(digest);
    if (known !== undefined && known !== size)
      throw new Untrue(`${digest} is named with the sizes ${known} and ${size}`);
    blobs.set(digest, size);
  };
  const addLayers = ({ layers }: PackageRecord | LevelRecord): void => {
    for (const layer of layers) {
      add(layer);
      if (layer.zstd !== undefined) add(layer.zstd);
    }
  };
  for (const outcome of result.kind === "published" ? result.outcomes : []) {
    if (outcome.kind === "failure") {
      if (outcome.failure.logBlob !== undefined) add(outcome.failure.logBlob);
      continue;
    }
    addLayers(outcome.record);
    if (outcome.kind === "package") add(outcome.record.listing);
  }
  return blobs;
}
