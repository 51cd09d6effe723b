/** Parses the answer of ListObjectsV2: flat XML without attributes, whose texts are escaped. */
import type { ListedPage } from "./bucket.ts";

/**
 * The page of a listing by `prefix`. Throws for any other text (the page of a proxy, for instance),
 * which would be read as an empty listing.
 */
export function readListing(xml: string, prefix: string): ListedPage {
  if (!xml.includes("<ListBucketResult") || !xml.includes("</ListBucketResult>"))
    throw new Error("the bucket did not answer a listing");
  const objects = [...xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)].map(([, text = ""]) => ({
    key: field("Key", text),
    size: Number(field("Size", text) || NaN),
    writtenAt: Date.parse(field("LastModified", text)),
  }));
  // Collection deletes by what is listed. An empty key would be the bucket itself.
  if (objects.some(({ key }) => key === "" || !key.startsWith(prefix)))
    throw new Error(`the bucket lists objects whose keys do not begin with "${prefix}"`);
  // What is of no known time would count as old, and be collected.
  if (objects.some(({ size, writtenAt }) => Number.isNaN(size + writtenAt)))
    throw new Error("the bucket lists objects without their sizes or times");
  const more = field("IsTruncated", xml) === "true";
  // Whoever reads on after the last object would begin again, and never come to an end.
  if (more && objects.length === 0)
    throw new Error("the bucket lists nothing, and says there is more");
  return { objects, more };
}

const field = (name: string, xml: string): string =>
  unescaped(new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? "");

const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
};
const unescaped = (text: string): string =>
  text.replaceAll(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (entity, decimal, hex, name) =>
    name === undefined
      ? String.fromCodePoint(decimal === undefined ? parseInt(hex, 16) : Number(decimal))
      : (ENTITIES[name] ?? entity),
  );
