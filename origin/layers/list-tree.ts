/**
 * Walks a package and encodes its file listing (edge/contract/listing.ts), which the edge links
 * packages by.
 *
 * A symlink that resolves to a directory, in this or another store path, counts as that directory,
 * since two packages that both have it must be merged below it (Nix's buildEnv does the same). A
 * link back to a directory above it is a file: it can be linked to, never walked. `nix-support` at
 * the top is for builds, and no image wants it.
 */
import { readdirSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { encodeListing, type ListingEntry, type ListingTree } from "../../edge/contract/listing.ts";
import { LinkResolver } from "./resolve-link.ts";
import { fileName, UnfitError } from "./tree.ts";

/**
 * Most entries of one package: ten times what the largest packages hold; a listing of so many is
 * about 60 MB.
 */
const MAX_LISTING_ENTRIES = 2_000_000;
/** The walk lets the process do other things this often, milliseconds. */
const PAUSE_MS = 10;
/** Left out at the top. */
const NIX_SUPPORT = "nix-support";
/** What a link must resolve into to be walked: anything else is not in the image. */
const STORE = "/nix/store/";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The listing's bytes of `storePath`, which lies below the directory `root`. A store path that is
 * no directory has an empty one. Throws an UnfitError when no listing can hold it.
 */
export async function listTree(
  root: string,
  storePath: string,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const tree = await new Walk(root, signal).package(storePath);
  try {
    return encodeListing(tree);
  } catch (error) {
    // A name that a listing cannot contain.
    if (error instanceof TypeError) throw new UnfitError(`${storePath}: ${error.message}`);
    throw error;
  }
}

class Walk {
  readonly #base: string;
  readonly #links: LinkResolver;
  readonly #signal: AbortSignal;
  /** Directory, free of symlinks → its entries; one that is reached twice is walked once. */
  readonly #done = new Map<string, ListingTree>();
  readonly #above = new Set<string>();
  #entries = 0;
  #pause = 0;

  constructor(root: string, signal: AbortSignal) {
    this.#base = Buffer.from(root).toString("latin1").replace(/\/+$/, "");
    this.#links = new LinkResolver(this.#base);
    this.#signal = signal;
  }

  async package(storePath: string): Promise<ListingTree> {
    const top = this.#inStore(storePath);
    if (top === undefined) return [];
    return (await this.#directory(top)).filter(({ name }) => name !== NIX_SUPPORT);
  }

  #inStore(path: string): string | undefined {
    const directory = this.#links.directory(path);
    return directory?.startsWith(STORE) === true ? directory : undefined;
  }

  async #directory(real: string): Promise<ListingTree> {
    const known = this.#done.get(real);
    if (known !== undefined) return known;
    await this.#letOthersRun();
    this.#above.add(real);
    const tree: ListingEntry[] = [];
    // In byte order: which of two links around a loop is walked first decides the listing.
    const entries = readdirSync(fileName(this.#base + real), {
      withFileTypes: true,
      encoding: "buffer",
    }).sort((a, b) => Buffer.compare(a.name, b.name));
    for (const entry of entries) {
      if (++this.#entries > MAX_LISTING_ENTRIES)
        throw new UnfitError(
          `${real}: a package may hold at most ${MAX_LISTING_ENTRIES} files and directories`,
        );
      const name = decode(entry.name);
      // A listing is JSON and cannot say it; a link to the directory that it is in still brings it
      // along.
      if (name === undefined) continue;
      const path = `${real}/${entry.name.toString("latin1")}`;
      const below = entry.isDirectory()
        ? path
        : entry.isSymbolicLink()
          ? this.#inStore(path)
          : undefined;
      tree.push(
        below === undefined || this.#above.has(below)
          ? { name }
          : { name, entries: await this.#directory(below) },
      );
    }
    this.#above.delete(real);
    this.#done.set(real, tree);
    return tree;
  }

  /** Throws when nobody wants the listing any more. */
  async #letOthersRun(): Promise<void> {
    if (performance.now() < this.#pause) return;
    await setImmediate();
    this.#signal.throwIfAborted();
    this.#pause = performance.now() + PAUSE_MS;
  }
}

function decode(name: Buffer): string | undefined {
  try {
    return utf8.decode(name);
  } catch {
    return undefined;
  }
}
