/** Reads and writes aliases in the bucket, and resolves those in names (contract/alias.ts). */
import { ALIAS, aliasKey, type Aliased } from "../contract/alias.ts";
import {
  type Aliases,
  type ImageRequest,
  type NameParts,
  parseImageName,
  splitImageName,
} from "../contract/names.ts";
import type { Bucket } from "../store/bucket.ts";
import { aliasRecord, readRecord, replaceRecord, writeRecord } from "../store/records.ts";
import { manifestUnknown } from "./errors.ts";

/** The lists of these aliases. Throws MANIFEST_UNKNOWN (404) for one that nobody has made. */
export async function readAliases(
  bucket: Bucket,
  { aliases }: Pick<NameParts, "aliases">,
): Promise<Aliases> {
  const found = await Promise.all(
    aliases.map(async (key) => [key, await readAlias(bucket, key)] as const),
  );
  for (const [key, list] of found)
    if (list === null)
      throw manifestUnknown(
        `this registry has no alias ${ALIAS}/${key}: create it from its packages with ` +
          `\`firn alias\` or POST /api/aliases; it gets the same name at every registry`,
        { alias: key },
      );
  return new Map(found.flatMap(([key, list]) => (list === null ? [] : [[key, list]])));
}

/** The image request of a name, with its aliases resolved. Throws InvalidName too. */
export async function resolveName(bucket: Bucket, name: string): Promise<ImageRequest> {
  const parts = splitImageName(name);
  return parts.aliases.length === 0
    ? parseImageName(name)
    : parseImageName(name, await readAliases(bucket, parts));
}

/** The list of an alias; null when there is none, or what is stored does not match its key. */
export async function readAlias(bucket: Bucket, key: string): Promise<Aliased | null> {
  const list = await readRecord(bucket, aliasRecord(key));
  return list !== null && (await aliasKey(list)) === key ? list : null;
}

/** Stores an alias, replacing anything that does not match its key. */
export async function writeAlias(bucket: Bucket, key: string, list: Aliased): Promise<void> {
  const stored = await writeRecord(bucket, aliasRecord(key), list);
  if ((await aliasKey(stored)) !== key) await replaceRecord(bucket, aliasRecord(key), list);
}
