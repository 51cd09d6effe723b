/**
 * The packages of a revision that are pulled most: those to publish first for the next revision.
 */
import { packagesPrefix } from "../contract/keys.ts";
import { SYSTEMS, type System } from "../contract/records.ts";
import type { Bucket } from "../store/bucket.ts";
import { demandLately } from "../store/demand.ts";

/** Records that are looked at: more would take the Farm object seconds. */
const MAX_LISTED = 1_000;

/** A package, and the systems that it was published for. */
export interface PublishedPackage {
  readonly name: string;
  readonly systems: readonly System[];
}

/**
 * `<set>/<revision>/<system>/<plan>/<name>.json`; the record of another level has `~` in its name.
 */
const RECORD = /^([^/]+)\/[^/]+\/([^/~]+)\.json$/;

/** The packages that were published for the revision, the most pulled lately first. */
export async function popularPackages(
  bucket: Bucket,
  packageSet: string,
  revision: string,
): Promise<PublishedPackage[]> {
  const prefix = `${packagesPrefix(packageSet)}${revision}/`;
  const [{ objects }, { packages: pulls }] = await Promise.all([
    bucket.list(prefix, { limit: MAX_LISTED }),
    demandLately(bucket, packageSet, Date.now()),
  ]);
  const found = new Map<string, Set<System>>();
  for (const { key } of objects) {
    const [, named, name] = RECORD.exec(key.slice(prefix.length)) ?? [];
    const system = SYSTEMS.find((each) => each === named);
    if (system === undefined || name === undefined) continue;
    const systems = found.get(name) ?? new Set();
    found.set(name, systems.add(system));
  }
  const packages = Array.from(found, ([name, systems]) => ({ name, systems: [...systems] }));
  // A package may be called `constructor`, which every object has.
  const count = ({ name }: PublishedPackage): number =>
    Object.hasOwn(pulls, name) ? (pulls[name] ?? 0) : 0;
  return packages.sort((a, b) => count(b) - count(a) || (a.name < b.name ? -1 : 1));
}
