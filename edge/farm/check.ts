/**
 * Whether results answer the items of their job: everything about them that can be told without
 * looking into the bucket. The schema has been checked already. An origin may be wrong, or lie:
 * what it says here ends up in images.
 */
import { canonicalJson, indexPath } from "../contract/keys.ts";
import type { IndexItem, Item, PackageItem, Result } from "../contract/messages.ts";
import type { Descriptor, IndexRecord, Layer, PackageRecord } from "../contract/records.ts";
import { MAX_RECORD } from "./limits.ts";

/** A result that is not taken; the message says what is wrong with it. */
export class InvalidResult extends Error {
  override readonly name = "InvalidResult";
}

/**
 * Throws InvalidResult unless there is one result for each item, in order, with a record that
 * belongs to the item and is coherent in itself.
 */
export function checkResults(items: readonly Item[], results: readonly Result[]): void {
  if (results.length !== items.length)
    throw new InvalidResult(`${results.length} results for ${items.length} items`);
  for (const [at, item] of items.entries()) {
    const result = results[at];
    if (result === undefined || result.kind === "failure") continue;
    if (result.kind !== expectedKind(item))
      throw new InvalidResult(`${shown(item)} was answered with a ${result.kind}`);
    if (item.kind === "tag" || result.kind === "revision") continue;
    if (item.kind === "index") {
      if (result.kind === "index") checkIndex(item, result.record);
      continue;
    }
    if (result.kind === "index") continue;
    if (canonicalJson(result.record).length > MAX_RECORD)
      throw new InvalidResult(
        `the record of ${shown(item)} is longer than ${MAX_RECORD} characters`,
      );
    if (result.kind === "package") checkPackage(item, result.record);
    else if (result.record.level !== item.level)
      throw new InvalidResult(`${shown(item)} was answered with level ${result.record.level}`);
  }
}

function expectedKind(item: Item): Result["kind"] {
  switch (item.kind) {
    case "tag":
      return "revision";
    case "index":
      return "index";
    case "package":
      return item.level === undefined ? "package" : "level";
  }
}

/** An item in words: `git`, `git at level 1`, `the tag latest`, `the index of python3Packages`. */
function shown(item: Item): string {
  switch (item.kind) {
    case "tag":
      return `the tag ${item.tag}`;
    case "index":
      return `the index${item.path.length > 0 ? ` of ${item.path.join(".")}` : ""}`;
    case "package":
      return item.level === undefined ? item.name : `${item.name} at level ${item.level}`;
  }
}

function checkIndex(item: IndexItem, record: IndexRecord): void {
  if (indexPath(item, item.path) !== indexPath(record, record.path))
    throw new InvalidResult(
      `${shown(item)} was answered with ${indexPath(record, record.path)}, not ${indexPath(item, item.path)}`,
    );
}

function checkPackage(item: PackageItem, record: PackageRecord): void {
  const wrong = (["name", "packageSet", "revision", "system", "plan"] as const).find(
    (field) => record[field] !== item[field],
  );
  if (wrong !== undefined)
    throw new InvalidResult(
      `the record of ${item.name} is for ${wrong} ${record[wrong]}, not ${item[wrong]}`,
    );
  if (new Set(record.parts.map(({ key }) => key)).size < record.parts.length)
    throw new InvalidResult(`the record of ${item.name} has a part twice`);
  for (const level of record.levels) {
    if (level.some((index) => index >= record.parts.length))
      throw new InvalidResult(`a level of ${item.name} names a part that does not exist`);
    if (new Set(level).size < level.length)
      throw new InvalidResult(`a level of ${item.name} names a part twice`);
  }
  checkLayers(record, record.level, record.layers);
}

/** Throws InvalidResult unless the layers are the parts of that level of the record, in order. */
export function checkLayers(record: PackageRecord, level: number, layers: readonly Layer[]): void {
  const keys = record.levels[level]?.map((index) => record.parts[index]?.key) ?? [];
  if (keys.length === 0)
    throw new InvalidResult(`${record.name} has no level ${level} that can be used`);
  if (keys.length !== layers.length || keys.some((key, at) => key !== layers[at]?.key))
    throw new InvalidResult(`the layers of ${record.name} are not the parts of level ${level}`);
  for (const { key, trees, size } of layers) {
    const part = record.parts.find((part) => part.key === key);
    if ((part?.small === undefined) !== (trees === undefined))
      throw new InvalidResult(`part ${key} of ${record.name} is small, or its blob is: not both`);
    if (trees !== undefined && trees.reduce((sum, tree) => sum + tree.size, 0) !== size)
      throw new InvalidResult(`the trees of part ${key} of ${record.name} are not its blob`);
  }
}

/**
 * Every blob that records among the results name, with its size. Throws InvalidResult when one is
 * named with two sizes.
 */
export function blobsOf(results: readonly Result[]): Map<Descriptor["digest"], number> {
  const blobs = new Map<Descriptor["digest"], number>();
  const add = ({ digest, size }: Descriptor): void => {
    const known = blobs.get(digest);
    if (known !== undefined && known !== size)
      throw new InvalidResult(`${digest} is named with the sizes ${known} and ${size}`);
    blobs.set(digest, size);
  };
  for (const result of results) {
    if (result.kind === "index") add(result.record.names);
    if (result.kind !== "package" && result.kind !== "level") continue;
    for (const layer of result.record.layers) {
      add(layer);
      if (layer.zstd !== undefined) add(layer.zstd);
    }
    if (result.kind === "package") add(result.record.listing);
  }
  return blobs;
}
