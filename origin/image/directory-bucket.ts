/**
 * A directory in place of a bucket, for images that are made without a server. It has the same
 * blobs, and a record of each layer.
 *
 *   blobs/sha256/<hex>     layers, listings, layer plans
 *   layers/<key>.json      what a layer was packed to, by which compressor; <key>.zstd.json its zstd
 *
 * It may be deleted at any time. A file gets its name only when it is complete.
 */
import { createHash } from "node:crypto";
import { open, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import type { KnownLayer } from "../../edge/contract/bucket-requests.ts";
import { type Digest, digestOf } from "../../edge/contract/digest.ts";
import { blobPath, layerPath } from "../../edge/contract/keys.ts";
import type { ReadRange } from "../../edge/contract/listing-reader.ts";
import {
  type Codec,
  CODECS,
  DamagedBlob,
  type Descriptor,
  type LayerStatement,
  LayerStatementSchema,
} from "../../edge/contract/records.ts";
import type { Sign } from "../../edge/contract/signatures.ts";
import { Destinations } from "../channel/destinations.ts";
import type { JobRequests } from "../channel/requests.ts";
import { writeWhole } from "../disk/write-whole.ts";
import { fileBytes } from "../layers/blob-bytes.ts";
import type { Blob, JobBucket, Storage } from "../layers/job-bucket.ts";

/** The name that signs the layers of a directory. */
export const MAKER = "local";

const nobody = (): never => {
  throw new TypeError("there is no edge to ask");
};
/** The requests of jobs without an edge: all of them throw. */
export const NO_EDGE: JobRequests = {
  edge: "",
  destinations: new Destinations(),
  uploads: nobody,
  layers: nobody,
  url: nobody,
};

export interface DirectoryBucketOptions {
  readonly directory: string;
  readonly sign: Sign;
  /** Public key that belongs to `sign`. */
  readonly publicKey: string;
  /** The compressor of this machine; layers that another one has compressed are made again. */
  readonly compressor: (codec: Codec) => Promise<string>;
}

/** One such directory. */
export class DirectoryBucket implements Storage {
  readonly #options: DirectoryBucketOptions;

  constructor(options: DirectoryBucketOptions) {
    this.#options = options;
  }

  of(): JobBucket {
    return {
      edge: MAKER,
      layers: (keys) => Promise.all(keys.map((key) => this.#known(key))),
      has: (blob) => this.has(blob),
      put: (blob, signal) => this.#put(blob, signal),
      plan: (digest) => this.read(digest),
    };
  }

  close(): void {}

  /** The path of a blob's file, which need not exist. */
  path(digest: Digest): string {
    return join(this.#options.directory, blobPath(digest));
  }

  /** Whether there is a file of the blob's size. */
  async has({ digest, size }: Descriptor): Promise<boolean> {
    const found = await stat(this.path(digest)).catch(() => undefined);
    return found?.size === size;
  }

  /** The bytes of a blob; null when there is none. */
  async read(digest: Digest): Promise<Uint8Array<ArrayBuffer> | null> {
    const bytes = await readFile(this.path(digest)).catch(orUndefined);
    return bytes === undefined ? null : new Uint8Array(bytes);
  }

  readonly readRange: ReadRange = async (digest, { offset, length }) => {
    const file = await open(this.path(digest));
    try {
      const room = new Uint8Array(length);
      const { bytesRead } = await file.read(room, 0, length, offset);
      const { size } = await file.stat();
      if (bytesRead === size && (await digestOf(room)) !== digest)
        throw new DamagedBlob(`the blob ${digest} is damaged`, digest);
      return room.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  };

  /** Stores a text as a blob; returns its digest. */
  async putText(text: string): Promise<Digest> {
    const digest: Digest = `sha256:${createHash("sha256").update(text).digest("hex")}`;
    await writeWhole(this.path(digest), (path) => writeFile(path, text));
    return digest;
  }

  /** Writes the record of a layer. */
  async remember(statement: LayerStatement): Promise<void> {
    const path = this.#layerPath(statement.key, statement.codec);
    await writeWhole(path, (temporary) => writeFile(temporary, JSON.stringify(statement)));
  }

  /** The record of a layer; undefined when there is none of this machine's compressor. */
  async layer(key: string, codec: Codec): Promise<LayerStatement | undefined> {
    const text = await readFile(this.#layerPath(key, codec), "utf8").catch(orUndefined);
    if (text === undefined) return undefined;
    const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), LayerStatementSchema), text);
    if (!parsed.success || parsed.output.key !== key) return undefined;
    return parsed.output.compressor === (await this.#options.compressor(codec))
      ? parsed.output
      : undefined;
  }

  #layerPath(key: string, codec: Codec): string {
    return join(this.#options.directory, layerPath(key, codec));
  }

  async #known(key: string): Promise<KnownLayer> {
    const known: KnownLayer = {};
    for (const codec of CODECS) {
      const statement = await this.layer(key, codec);
      if (statement === undefined) continue;
      const signature = this.#options.sign("layer", statement);
      known[codec] = {
        record: { ...statement, signed: [{ origin: MAKER, signature }] },
        present: await this.has(statement),
        keys: { [MAKER]: this.#options.publicKey },
      };
    }
    return known;
  }

  async #put(blob: Blob, signal: AbortSignal): Promise<void> {
    if (await this.has(blob)) return;
    const { content } = blob;
    await writeWhole(this.path(blob.digest), (path) =>
      writeFile(
        path,
        content instanceof Uint8Array ? content : fileBytes(blob, content.fd, signal),
      ),
    );
  }
}

function orUndefined(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
