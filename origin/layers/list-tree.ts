/**
 * Walks a package and encodes its file listing (edge/contract/listing.ts), by which the edge links
 * packages into an image.
 *
 * A symlink to a directory, in this or another store path, counts as that directory, since packages
 * that both have it are merged below it (Nix's buildEnv does the same). A symlink to a directory
 * above itself counts as a file: images link to it, but it is not walked. `nix-support` at the top
 * is for builds and is left out.
 */
import { readdirSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { encodeListing, type ListingEntry, type ListingTree } from "../../edge/contract/listing.ts";
import { LinkResolver } from "./resolve-link.ts";
import { fileName, UnfitError } from "./tree.ts";

/** Most entries of a package: ten times those of the largest. Such a listing has about 60 MB. */
const MAX_LISTING_ENTRIES = 2_000_000;
/** Time after which the walk lets other work run, ms. */
const PAUSE_MS = 10;
/** The directory that is left out at the top. */
const NIX_SUPPORT = "nix-support";
/** Symlinks to directories elsewhere are not followed: those are not in the image. */
const STORE = "/nix/store/";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The encoded listing of `storePath` below the directory `root`; empty when it is not a directory.
 * Throws an UnfitError when a listing cannot contain it, and the signal's reason.
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
      // A listing is JSON, which has no other names. Links to its directory still lead to the file.
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

  /** Throws the signal's reason. */
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
