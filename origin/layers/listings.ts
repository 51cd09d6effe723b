/** File listings as blobs. Notes on disk remember them, so that a store path is walked once. */
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { LISTING_FORMAT } from "../../edge/contract/listing.ts";
import { canonicalJson } from "../../edge/contract/keys.ts";
import { LISTING } from "../../edge/contract/media-types.ts";
import { type Descriptor, DescriptorSchema } from "../../edge/contract/records.ts";
import { writeWhole } from "../disk/write-whole.ts";
import type { JobBucket } from "./job-bucket.ts";
import { listTree } from "./list-tree.ts";
import { putBytes } from "./put-bytes.ts";

/** To be increased when the walk of the same files gives other entries. */
const WALK_FORMAT = 1;

export interface ListingsParts {
  readonly directory: string;
  readonly root: string;
}

/** Stores listings, and remembers them in a directory. */
export class Listings {
  readonly #with: ListingsParts;

  constructor(parts: ListingsParts) {
    this.#with = parts;
  }

  /**
   * Stores the listing of a store path as a blob. With the NAR hash, a note of it is read or
   * written. Throws an UnfitError when a listing cannot contain the store path.
   */
  async publish(
    { storePath, narHash }: { readonly storePath: string; readonly narHash?: string | undefined },
    bucket: JobBucket,
    signal: AbortSignal,
  ): Promise<Descriptor> {
    const note = narHash === undefined ? undefined : this.#note(storePath, narHash);
    const known = note === undefined ? undefined : await readNote(note);
    if (known !== undefined && (await bucket.has({ ...known, contentType: LISTING }, signal)))
      return known;
    const bytes = await listTree(this.#with.root, storePath, signal);
    const descriptor = await putBytes(bucket, { bytes, contentType: LISTING }, signal);
    if (note !== undefined)
      await writeWhole(note, (temporary) => writeFile(temporary, JSON.stringify(descriptor)));
    return descriptor;
  }

  #note(storePath: string, narHash: string): string {
    const key = createHash("sha256")
      .update(canonicalJson({ format: [WALK_FORMAT, LISTING_FORMAT], storePath, narHash }))
      .digest("hex");
    return join(this.#with.directory, `${key}.json`);
  }
}

/** Reads a note; undefined when there is none, or a power failure has damaged it. */
async function readNote(note: string): Promise<Descriptor | undefined> {
  try {
    const read = v.safeParse(DescriptorSchema, JSON.parse(await readFile(note, "utf8")));
    return read.success ? read.output : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT")
      return undefined;
    throw error;
  }
}
