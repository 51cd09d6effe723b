/**
 * Checks results against the items of their job, as far as possible without the bucket. (The schema
 * was checked before.) An origin may be faulty or malicious, and what it states ends up in images.
 */
import { canonicalJson, indexPath, layerPath } from "../../contract/keys.ts";
import type { IndexItem, Item, PackageItem, Result } from "../../contract/items.ts";
import type {
  IndexStatement,
  LayerStatement,
  LevelRecord,
  PackageRecord,
  PackageStatement,
  Part,
  SignedLayer,
} from "../../contract/records.ts";
import { isSignedBy } from "../../contract/signatures.ts";
import { MAX_RECORD } from "../limits.ts";

/** A result is refused; the message says what is wrong with it. */
export class InvalidResult extends Error {
  override readonly name = "InvalidResult";
}

/**
 * Throws InvalidResult unless there is one result for each item, in order, whose statement belongs
 * to the item and does not contradict itself.
 */
export function checkResults(items: readonly Item[], results: readonly Result[]): void {
  if (results.length !== items.length)
    throw new InvalidResult(`${results.length} results for ${items.length} items`);
  for (const [at, item] of items.entries()) {
    const result = results[at];
    if (result === undefined || result.kind === "failure") continue;
    if (result.kind !== expectedKind(item))
      throw new InvalidResult(`${shown(item)} was answered with a ${result.kind}`);
    if (item.kind === "index" && result.kind === "index") checkIndex(item, result.statement);
    if (item.kind !== "package") continue;
    if (result.kind === "package") checkPackage(item, result.statement);
    else if (result.kind === "level" && result.level !== item.level)
      throw new InvalidResult(`${shown(item)} was answered with level ${result.level}`);
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

/**
 * An item for people: `git`, `git at level 1`, `the tag latest`, `the index of python3Packages`.
 */
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

function checkIndex(item: IndexItem, statement: IndexStatement): void {
  const [wanted, got] = [indexPath(item, item.path), indexPath(statement, statement.path)];
  if (wanted !== got)
    throw new InvalidResult(`${shown(item)} was answered with ${got}, not ${wanted}`);
}

function checkPackage(item: PackageItem, statement: PackageStatement): void {
  const wrong = (["name", "packageSet", "revision", "system", "plan"] as const).find(
    (field) => statement[field] !== item[field],
  );
  if (wrong !== undefined)
    throw new InvalidResult(
      `the record of ${item.name} is for ${wrong} ${statement[wrong]}, not ${item[wrong]}`,
    );
  if (new Set(statement.parts.map(({ key }) => key)).size < statement.parts.length)
    throw new InvalidResult(`the record of ${item.name} has a part twice`);
  for (const level of statement.levels) {
    if (level.some((index) => index >= statement.parts.length))
      throw new InvalidResult(`a level of ${item.name} names a part that does not exist`);
    if (new Set(level).size < level.length)
      throw new InvalidResult(`a level of ${item.name} names a part twice`);
  }
  partsOf(statement, statement.level);
}

/** The parts of a package at a level. Throws InvalidResult when that level cannot be used. */
export function partsOf(statement: PackageStatement, level: number): Part[] {
  const parts = (statement.levels[level] ?? []).flatMap((index) => statement.parts[index] ?? []);
  if (parts.length === 0)
    throw new InvalidResult(`${statement.name} has no level ${level} that can be used`);
  return parts;
}

/** Throws InvalidResult when a record is longer than the farm accepts. */
export function checkLength(item: PackageItem, record: PackageRecord | LevelRecord): void {
  if (canonicalJson(record).length > MAX_RECORD)
    throw new InvalidResult(`the record of ${shown(item)} is longer than ${MAX_RECORD} characters`);
}

/** What the results state about layers, by the path of the record that would say so. */
export type Claims = ReadonlyMap<string, SignedLayer>;

/** Throws InvalidResult when a layer is stated in two ways. */
export function claimsOf(results: readonly Result[]): Claims {
  const claims = new Map<string, SignedLayer>();
  for (const result of results) {
    if (result.kind !== "package" && result.kind !== "level") continue;
    for (const claim of result.layers) {
      const { key, codec } = claim.statement;
      const path = layerPath(key, codec);
      const other = claims.get(path);
      if (other !== undefined && canonicalJson(other) !== canonicalJson(claim))
        throw new InvalidResult(`two layers are stated for ${path}`);
      claims.set(path, claim);
    }
  }
  return claims;
}

/** Throws InvalidResult unless each claim is about one of the parts, and fits it. */
export function checkClaims(parts: ReadonlyMap<string, Part>, claims: Claims): void {
  for (const { statement } of claims.values()) {
    const { key, codec } = statement;
    const part = parts.get(key);
    if (part === undefined)
      throw new InvalidResult(`the layer ${key} belongs to no package of the job`);
    if (part.small !== undefined && codec !== "gzip")
      throw new InvalidResult(`part ${key} is small, and was packed by ${codec}`);
    checkTrees(part, statement);
    if (codec === "zstd") continue;
    const zstd = claims.get(layerPath(key, "zstd"));
    if (zstd !== undefined && zstd.statement.diffId !== statement.diffId)
      throw new InvalidResult(`the layer ${key} has two diffIds`);
  }
}

/** Throws InvalidResult unless a blob has trees exactly when its part is small. */
function checkTrees({ key, small }: Part, { trees, size, codec }: LayerStatement): void {
  if (codec === "gzip" && (small !== undefined) !== (trees !== undefined))
    throw new InvalidResult(`part ${key} is small, or its blob is: not both`);
  if (trees !== undefined && trees.reduce((sum, tree) => sum + tree.size, 0) !== size)
    throw new InvalidResult(`the trees of part ${key} do not match its blob`);
}

/**
 * Throws InvalidResult unless the origin with public key `x` has signed everything that it states.
 */
export async function checkSignatures(
  results: readonly Result[],
  claims: Claims,
  { name, x }: { readonly name: string; readonly x: string },
): Promise<void> {
  const check = async (what: string, signed: Promise<boolean>): Promise<void> => {
    if (!(await signed)) throw new InvalidResult(`${name} has not signed ${what}`);
  };
  await Promise.all([
    ...results.map((result) => {
      if (result.kind === "package")
        return check(`the record of ${result.statement.name}`, isSignedBy(x, "package", result));
      if (result.kind === "index") return check("the index", isSignedBy(x, "index", result));
      return undefined;
    }),
    ...[...claims].map(([path, claim]) => check(path, isSignedBy(x, "layer", claim))),
  ]);
}
