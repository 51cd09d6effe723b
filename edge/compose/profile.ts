/**
 * The profile: one tree of symlinks to the files of all packages of an image, as Nix's buildEnv
 * makes it, but from file listings alone.
 *
 *   package a   bin/x  share/man/man1/x.1
 *   package b   bin/y  share/doc/y
 *   package c   lib/z
 *
 *   profile     /bin               a directory, since a and b both have it:
 *                                  /bin/x → a/bin/x, /bin/y → b/bin/y
 *               /share             a directory as well: /share/man → a/share/man,
 *                                  /share/doc → b/share/doc
 *               /lib → c/lib       one link, since only c has it
 *
 * Packages are merged in the order of their names. Where two have a file at the same path, the
 * first wins. The first also wins where one has a file and the other a directory; a directory that
 * wins is merged with the directories of later packages. The base files (base-files.ts) are merged
 * too: their directories always, their files where no package has one. Listings are read one depth
 * at a time, for all packages concurrently, and only where packages overlap.
 */
import { ImageBudget, imageTooLarge, LINK_BYTES } from "../contract/image-budget.ts";
import { type BaseEntry, baseEntries, LEFT_OUT, type Programs } from "./base-files.ts";
import type { Directory, DirectoryRef } from "../contract/listing.ts";
import { ListingReader, type ReadRange } from "../contract/listing-reader.ts";
import type { PackageRecord } from "../contract/records.ts";

export type ProfilePackage = Pick<PackageRecord, "name" | "storePath" | "listing" | "listingText">;

/**
 * One entry of the profile. `path` has no leading slash; entries are sorted so that a directory
 * comes before what is in it.
 */
export type ProfileEntry = BaseEntry & { readonly path: string };

/**
 * Deepest directory that is read: each depth may cost a round of reads, and a malicious origin's
 * listing could be endlessly deep.
 */
const MAX_DEPTH = 64;

/** One package in the merge. */
interface Source {
  readonly storePath: string;
  readonly reader: ListingReader;
}
interface Wanted {
  readonly path: string;
  readonly mode: number;
  readonly providers: readonly { readonly source: Source; readonly ref: DirectoryRef }[];
}
interface Opened {
  readonly path: string;
  readonly providers: readonly { readonly source: Source; readonly directory: Directory }[];
}

/** Memory that an entry takes, bytes. */
export const bytesOf = (entry: ProfileEntry): number =>
  LINK_BYTES +
  entry.path.length +
  (entry.type === "symlink" ? entry.target.length : 0) +
  (entry.type === "file" ? entry.contents.length : 0);

/**
 * Merges the packages' trees. The order of `packages` does not matter; several names of one store
 * path count as one package. Throws as ListingReader does, and imageTooLarge.
 */
export async function mergeProfile(
  packages: readonly ProfilePackage[],
  read: ReadRange,
  budget = new ImageBudget(),
): Promise<ProfileEntry[]> {
  const byName = [...packages].sort((a, b) => (a.name < b.name ? -1 : 1));
  const unique = byName.filter(
    ({ storePath }, index) => byName.findIndex((other) => other.storePath === storePath) === index,
  );
  const sources = unique.map(({ name, storePath, listing, listingText }) => ({
    storePath,
    reader: new ListingReader(
      name,
      listing,
      listingText === undefined ? read : readText(listingText),
      budget,
    ),
  }));
  const roots = await Promise.all(
    sources.map(async (source) => ({ source, directory: await source.reader.root() })),
  );
  const known = new Map<DirectoryRef, Directory>();
  const base = byParent(baseEntries(await findPrograms(roots, known)));

  const entries: ProfileEntry[] = [];
  const add = (entry: ProfileEntry): void => {
    budget.take(bytesOf(entry));
    entries.push(entry);
  };
  let level: Opened[] = [{ path: "", providers: roots }];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) throw imageTooLarge();
    const wanted: Wanted[] = [];
    for (const directory of level) {
      for (const { path, mode, providers } of mergeDirectory(directory, base, add)) {
        add({ path, type: "directory", mode });
        wanted.push({ path, mode, providers });
      }
    }
    level = await open(wanted, known);
  }
  return entries.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Reads from a listing that is in memory. */
function readText(text: string): ReadRange {
  const bytes = new TextEncoder().encode(text);
  return (_digest, { offset, length }) => Promise.resolve(bytes.subarray(offset, offset + length));
}

/** Adds the links and files of one directory. Returns its subdirectories that must be real ones. */
function mergeDirectory(
  { path, providers }: Opened,
  base: ReadonlyMap<string, ReadonlyMap<string, BaseEntry>>,
  add: (entry: ProfileEntry) => void,
): Wanted[] {
  const own = base.get(path);
  const names = new Map<string, { source: Source; ref: DirectoryRef | null }[]>();
  for (const { source, directory } of providers) {
    for (const [name, ref] of directory) {
      if (path === "" && LEFT_OUT.has(name)) continue;
      const claims = names.get(name);
      if (claims) claims.push({ source, ref });
      else names.set(name, [{ source, ref }]);
    }
  }
  for (const name of own?.keys() ?? []) if (!names.has(name)) names.set(name, []);

  const wanted: Wanted[] = [];
  for (const [name, claims] of names) {
    const at = path === "" ? name : `${path}/${name}`;
    const entry = own?.get(name);
    const [first] = claims;
    const directories = claims.flatMap(({ source, ref }) => (ref ? [{ source, ref }] : []));
    if (entry?.type === "directory")
      wanted.push({ path: at, mode: entry.mode, providers: directories });
    else if (first === undefined) add({ ...(entry as BaseEntry), path: at });
    else if (first.ref === null || directories.length === 1)
      add({ path: at, type: "symlink", target: `${first.source.storePath}/${at}` });
    else wanted.push({ path: at, mode: 0o755, providers: directories });
  }
  return wanted;
}

/** Reads the wanted directories, in one batch for each package. */
async function open(
  wanted: readonly Wanted[],
  known: Map<DirectoryRef, Directory>,
): Promise<Opened[]> {
  const refs = new Map<Source, DirectoryRef[]>();
  for (const { source, ref } of wanted.flatMap(({ providers }) => providers)) {
    if (known.has(ref)) continue;
    const list = refs.get(source);
    if (list) list.push(ref);
    else refs.set(source, [ref]);
  }
  const read = new Map(known);
  await Promise.all(
    Array.from(refs, async ([source, list]) => {
      const directories = await source.reader.directories(list);
      list.forEach((ref, index) => read.set(ref, directories[index] as Directory));
    }),
  );
  return wanted.map(({ path, providers }) => ({
    path,
    providers: providers.map(({ source, ref }) => ({
      source,
      directory: read.get(ref) as Directory,
    })),
  }));
}

/**
 * Looks in every package's `bin` for the programs that base files link to. The directories it has
 * read are left in `known`.
 */
async function findPrograms(
  roots: Opened["providers"],
  known: Map<DirectoryRef, Directory>,
): Promise<Programs> {
  const bins = roots.flatMap(({ source, directory }) => {
    const ref = directory.get("bin");
    return ref ? [{ source, ref }] : [];
  });
  const directories = await Promise.all(
    bins.map(({ source, ref }) => source.reader.directories([ref])),
  );
  bins.forEach(({ ref }, index) => known.set(ref, directories[index]?.[0] as Directory));
  const first = (program: string): string | undefined => {
    const bin = bins.find(({ ref }) => known.get(ref)?.get(program) === null);
    return bin && `${bin.source.storePath}/bin/${program}`;
  };
  return { env: first("env"), sh: first("sh"), bash: first("bash") };
}

function byParent(
  entries: ReadonlyMap<string, BaseEntry>,
): ReadonlyMap<string, ReadonlyMap<string, BaseEntry>> {
  const parents = new Map<string, Map<string, BaseEntry>>();
  for (const [path, entry] of entries) {
    const slash = path.lastIndexOf("/");
    const parent = path.slice(0, Math.max(slash, 0));
    const children = parents.get(parent) ?? new Map<string, BaseEntry>();
    parents.set(parent, children.set(path.slice(slash + 1), entry));
  }
  return parents;
}
