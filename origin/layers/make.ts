/**
 * Makes layers. Parts of which the bucket has a record, by key, are done; the others are packed and
 * uploaded. What this origin states about them goes to the edge with the job's results, and the
 * edge makes the records.
 */
import { LRUCache } from "lru-cache";
import pLimit, { type LimitFunction } from "p-limit";
import type { Logger } from "pino";
import type { KnownLayer as Answer } from "../../edge/contract/bucket-requests.ts";
import type { LayerStatement } from "../../edge/contract/records.ts";
import type { StorePathInfo } from "../nix/types.ts";
import type { SpooledBlob } from "./blob-file.ts";
import { type CodecName, type Codecs, PIECE_BYTES } from "./codecs.ts";
import type { JobBucket } from "./job-bucket.ts";
import { type KnownLayer, vouched } from "./known-layer.ts";
import {
  type MadeLayer,
  madeLayer,
  requireSameTar,
  type Sources,
  uploadOf,
  withSizes,
} from "./made-layer.ts";
import { closeBlobs, type PackedLayer, type Packer } from "./pack.ts";
import { SharedWork } from "./shared-work.ts";
import { UnfitError } from "./tree.ts";

/** What a layer consists of. */
export interface LayerPart {
  readonly key: string;
  readonly paths: readonly StorePathInfo[];
  /**
   * Only the trees of its store paths, without parent directories and end-of-archive: its members
   * are appended to those of another layer. The key must say so, for the bytes are others.
   */
  readonly bare?: boolean;
}

export interface MakeOptions {
  readonly signal: AbortSignal;
  /** Make zstd blobs as well. */
  readonly zstd: boolean;
  /** Called with each layer when it is in the bucket. */
  readonly onMade?: ((part: LayerPart) => void) | undefined;
}

/** Statements that are remembered until the bucket has records of them. */
const MAX_OWN = 5_000;

export interface LayerMakerParts {
  readonly packer: Packer;
  readonly codecs: Codecs;
  readonly logger: Logger;
}

/** What the layers of one call of `make` have in common. */
interface Work {
  readonly bucket: JobBucket;
  readonly codecs: readonly CodecName[];
  /** What the edge knows about each, by key. */
  readonly answers: ReadonlyMap<string, Promise<Answer>>;
  /**
   * They are read one after another, so that the first is whole as early as can be. Two jobs take
   * turns piece by piece: a small one does not wait for a huge one.
   */
  readonly reading: LimitFunction;
}

export class LayerMaker {
  readonly #with: LayerMakerParts;
  readonly #layers = new SharedWork<MadeLayer>();
  /** By key and codec: results may get lost on their way to the edge, and the job come again. */
  readonly #own = new LRUCache<string, LayerStatement>({ max: MAX_OWN });

  constructor(parts: LayerMakerParts) {
    this.#with = parts;
  }

  /**
   * The layers of the parts, by key; an UnfitError in place of a layer that cannot be. Any other
   * error ends the work on all of them and is thrown.
   */
  async make(
    parts: readonly LayerPart[],
    bucket: JobBucket,
    { signal, zstd, onMade }: MakeOptions,
  ): Promise<Map<string, MadeLayer | UnfitError>> {
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    const work: Work = {
      bucket,
      answers: lookUp(parts, bucket, { signal: either, zstd }),
      codecs: zstd ? ["gzip", "zstd"] : ["gzip"],
      reading: pLimit(1),
    };
    // The largest is first on its way to the bucket, while the others are packed.
    const making = parts
      .toSorted((a, b) => size(b) - size(a))
      .map(async (part) => {
        const made = this.#layers
          .run(`${bucket.edge} ${part.key} ${zstd}`, either, (signal) =>
            this.#one(part, work, signal),
          )
          .catch((error: unknown) => {
            if (error instanceof UnfitError) return error;
            throw error;
          });
        const outcome = [part.key, await made] as const;
        onMade?.(part);
        return outcome;
      });
    try {
      return new Map(await Promise.all(making));
    } catch (error) {
      stop.abort(error);
      await Promise.allSettled(making);
      throw error;
    }
  }

  async #one(part: LayerPart, work: Work, signal: AbortSignal): Promise<MadeLayer> {
    // A small part is appended to a layer that is gzip.
    const codecs: readonly CodecName[] = part.bare === true ? ["gzip"] : work.codecs;
    const { packer, logger } = this.#with;
    const started = performance.now();
    const known = this.#known(part.key, { ...work, codecs }, signal);
    known.catch(() => undefined);
    const reader = await work.reading(async () => {
      const { missing } = await known;
      if (missing.length === 0) return undefined;
      const storePaths = part.paths.map(({ path }) => path);
      return packer.read({ storePaths, bare: part.bare ?? false, codecs: missing }, signal);
    });
    const { recorded, own } = await known;
    if (reader === undefined) return madeLayer({ recorded, own });
    const packed = await reader.packed;
    try {
      const packMs = Math.round(performance.now() - started);
      const packedOwn = await this.#upload(await known, packed, signal);
      const result = madeLayer({ recorded, own: { ...own, ...packedOwn } });
      const totalMs = Math.round(performance.now() - started);
      logger.debug({ key: part.key, size: result.layer.size, packMs, totalMs }, "layer made");
      return result;
    } finally {
      closeBlobs(packed);
    }
  }

  /**
   * What records say of a layer, what this origin has stated where there is none, and the codecs
   * whose blob is in the bucket by neither.
   */
  async #known(
    key: string,
    { bucket, answers, codecs }: Work,
    signal: AbortSignal,
  ): Promise<Known> {
    const zstd = codecs.includes("zstd");
    // Whoever asked for many may have left; the layer is wanted still.
    const answer = await answers.get(key)?.catch(() => undefined);
    const [said = {}] = answer === undefined ? await bucket.layers([key], zstd, signal) : [answer];
    const found = await vouched(key, said);
    const recorded: KnownLayer = {};
    const own: KnownLayer = {};
    const missing: CodecName[] = [];
    const look = async (codec: CodecName): Promise<void> => {
      const stated =
        found[codec] === undefined ? this.#own.get(ownKey(bucket, key, codec)) : undefined;
      if (found[codec] !== undefined && said[codec]?.present === true)
        recorded[codec] = found[codec];
      else if (stated !== undefined && (await bucket.has(uploadOf(stated), signal)))
        own[codec] = stated;
      else missing.push(codec);
    };
    await Promise.all(codecs.map(look));
    return { key, bucket, found, recorded, own, missing };
  }

  /** Uploads the blobs of a packed layer; returns what this origin states of them. */
  async #upload(
    { key, bucket, found, own }: Known,
    { diffId, blobs, trees }: PackedLayer,
    signal: AbortSignal,
  ): Promise<KnownLayer> {
    for (const known of [...Object.values(found), ...Object.values(own)])
      requireSameTar(known, diffId);
    const { codecs } = this.#with;
    const stated: KnownLayer = {};
    const put = async (codec: CodecName, blob: SpooledBlob): Promise<void> => {
      const { digest, size, fd, members: sizes } = blob;
      const compressor = await codecs.describe(codec);
      const upload = uploadOf({ codec, digest, size });
      await bucket.put({ ...upload, content: { fd } }, signal);
      const members =
        trees.length > 0
          ? { trees: withSizes(trees, sizes) }
          : { members: { tarBytes: PIECE_BYTES, sizes: [...sizes] } };
      const statement = { key, codec, digest, size, diffId, compressor, ...members };
      this.#own.set(ownKey(bucket, key, codec), statement);
      stated[codec] = statement;
    };
    // All of them end before anything is thrown: their files are closed then.
    const done = await Promise.allSettled(
      (["gzip", "zstd"] as const).map((codec) => {
        const blob = blobs[codec];
        return blob === undefined ? undefined : put(codec, blob);
      }),
    );
    for (const outcome of done) if (outcome.status === "rejected") throw outcome.reason;
    return stated;
  }
}

/** What is known of a layer before it is packed. */
interface Known extends Sources {
  readonly key: string;
  readonly bucket: JobBucket;
  /** Everything that records say, also about blobs that are gone. */
  readonly found: KnownLayer;
  readonly missing: readonly CodecName[];
}

const ownKey = ({ edge }: JobBucket, key: string, codec: CodecName): string =>
  `${edge} ${key} ${codec}`;

/** Asks about all layers of a job in one request; the answers by key. */
function lookUp(
  parts: readonly LayerPart[],
  bucket: JobBucket,
  { signal, zstd }: { readonly signal: AbortSignal; readonly zstd: boolean },
): Map<string, Promise<Answer>> {
  const keys = parts.map(({ key }) => key);
  const answers = bucket.layers(keys, zstd, signal);
  const answer = async (at: number): Promise<Answer> => (await answers)[at] ?? {};
  return new Map(
    keys.map((key, at) => {
      const own = answer(at);
      own.catch(() => undefined);
      return [key, own];
    }),
  );
}

const size = ({ paths }: LayerPart): number => paths.reduce((sum, { narSize }) => sum + narSize, 0);
