/**
 * Reads listings lazily: first the end of a listing, which holds the root and the small directories
 * near it, then other directories by byte range. Directories that are wanted at the same time and
 * are close together are one read.
 */
import type { Digest } from "./digest.ts";
import { decodeDirectory, decodeTrailer, type Directory, type DirectoryRef } from "./listing.ts";
import { DIRECTORY_ENTRY_BYTES, type ImageBudget } from "./image-budget.ts";
import { DamagedBlob, type Descriptor } from "./records.ts";

/**
 * Reads `length` bytes at `offset` of a blob, never beyond its end. Throws a DamagedBlob when the
 * whole blob is read and does not match its digest.
 */
export type ReadRange = (
  digest: Digest,
  range: { readonly offset: number; readonly length: number },
) => Promise<Uint8Array>;

/**
 * First read, from the end, bytes. Most listings are smaller as a whole; 70 such reads are 4.5 MB.
 */
export const TAIL_BYTES = 64 * 1024;
/** A gap of up to this many bytes is read too, rather than making another request. */
const GAP_BYTES = 32 * 1024;
interface Chunk {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export class ListingReader {
  readonly #name: string;
  readonly #listing: Descriptor;
  readonly #read: ReadRange;
  readonly #budget: ImageBudget;
  #tail: Chunk | undefined;

  /**
   * `name`: the package's, for errors. They are DamagedBlob for a broken listing, and InvalidName
   * when the budget is spent (imageTooLarge).
   */
  constructor(name: string, listing: Descriptor, read: ReadRange, budget: ImageBudget) {
    this.#name = name;
    this.#listing = listing;
    this.#read = read;
    this.#budget = budget;
  }

  async root(): Promise<Directory> {
    const { size } = this.#listing;
    if (size === 0) throw this.#broken("it is empty");
    const length = Math.min(TAIL_BYTES, size);
    const tail = { offset: size - length, bytes: await this.#range(size - length, length) };
    this.#tail = tail;
    const root = this.#checked(() => decodeTrailer(tail.bytes, size));
    const [directory] = await this.directories([root]);
    return directory as Directory;
  }

  /** The directories at `refs`, in their order. */
  async directories(refs: readonly DirectoryRef[]): Promise<Directory[]> {
    const chunks = this.#tail ? [this.#tail] : [];
    const missing = refs.filter((ref) => !chunks.some((chunk) => covers(chunk, ref)));
    chunks.push(
      ...(await Promise.all(
        coalesce(missing).map(async ({ offset, length }) => ({
          offset,
          bytes: await this.#range(offset, length),
        })),
      )),
    );
    return refs.map((ref) => {
      const chunk = chunks.find((candidate) => covers(candidate, ref));
      const start = ref.offset - (chunk?.offset ?? 0);
      // Taken before it is parsed, and then for the result.
      this.#budget.take(2 * ref.length, this.#name);
      const directory = this.#checked(() =>
        decodeDirectory(chunk?.bytes.subarray(start, start + ref.length) ?? new Uint8Array(), ref),
      );
      this.#budget.take(directory.size * DIRECTORY_ENTRY_BYTES, this.#name);
      return directory;
    });
  }

  async #range(offset: number, length: number): Promise<Uint8Array> {
    this.#budget.take(length, this.#name);
    const bytes = await this.#read(this.#listing.digest, { offset, length });
    if (bytes.length !== length)
      throw this.#broken(`${bytes.length} bytes instead of ${length} were read at ${offset}`);
    return bytes;
  }

  #checked<T>(decode: () => T): T {
    try {
      return decode();
    } catch (error) {
      throw error instanceof TypeError ? this.#broken(error.message) : error;
    }
  }

  #broken(reason: string): Error {
    const { digest } = this.#listing;
    const message = `the file listing of package "${this.#name}" is broken: ${reason}`;
    return new DamagedBlob(message, digest, { package: this.#name, listing: digest });
  }
}

function covers(chunk: Chunk, ref: DirectoryRef): boolean {
  return chunk.offset <= ref.offset && ref.offset + ref.length <= chunk.offset + chunk.bytes.length;
}

/** Ranges that cover all `refs`, with those near each other in one. */
function coalesce(refs: readonly DirectoryRef[]): DirectoryRef[] {
  const ranges: { offset: number; length: number }[] = [];
  for (const { offset, length } of [...refs].sort((a, b) => a.offset - b.offset)) {
    const last = ranges.at(-1);
    if (last && offset <= last.offset + last.length + GAP_BYTES)
      last.length = Math.max(last.length, offset + length - last.offset);
    else ranges.push({ offset, length });
  }
  return ranges;
}
