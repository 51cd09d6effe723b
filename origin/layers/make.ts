/**
 * Makes layers. Those that the bucket has, by the record of their key, are done; the others are
 * packed and uploaded. This origin's statements about them are part of the job's results, from
 * which the edge makes records.
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

/** The contents of a layer. */
export interface LayerPart {
  readonly key: string;
  readonly paths: readonly StorePathInfo[];
  /**
   * Whether it has only the trees of its store paths, without parent directories and
   * end-of-archive, so that its members can be appended to another layer. The key depends on this.
   */
  readonly bare?: boolean;
}

export interface MakeOptions {
  readonly signal: AbortSignal;
  /** Whether to make zstd blobs as well. */
  readonly zstd: boolean;
  /** Called with each layer when it is in the bucket. */
  readonly onMade?: ((part: LayerPart) => void) | undefined;
}

/** Own statements that are remembered, until the edge has made records of them. */
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
  /** The edge's answers by key. */
  readonly answers: ReadonlyMap<string, Promise<Answer>>;
  /**
   * Layers of a job are read one after another, so that the first is ready for upload early. Jobs
   * take turns piece by piece, so that a small one does not wait for a large one.
   */
  readonly reading: LimitFunction;
}

/** Makes the layers of all jobs of an origin. */
export class LayerMaker {
  readonly #with: LayerMakerParts;
  readonly #layers = new SharedWork<MadeLayer>();
  /**
   * Own statements by key and codec, in case that the edge does not get them and repeats the job.
   */
  readonly #own = new LRUCache<string, LayerStatement>({ max: MAX_OWN });

  constructor(parts: LayerMakerParts) {
    this.#with = parts;
  }

  /**
   * Makes layers; returns them by key, with an UnfitError in place of one that cannot be made. Any
   * other error ends the work on all of them and is thrown.
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
    // The largest first: it is uploaded while the others are packed.
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
    // A bare layer is appended to a layer with gzip.
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

  /** What is known of a layer, and for which codecs the bucket has no blob of it. */
  async #known(
    key: string,
    { bucket, answers, codecs }: Work,
    signal: AbortSignal,
  ): Promise<Known> {
    const zstd = codecs.includes("zstd");
    // The job that asked for many layers may have been cancelled; this layer is still wanted.
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

  /** Uploads the blobs of a packed layer; returns this origin's statements about them. */
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
    // All must end before anything is thrown, since their files are closed then.
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
  /** The statements of records, also about blobs that the bucket has lost. */
  readonly found: KnownLayer;
  readonly missing: readonly CodecName[];
}

const ownKey = ({ edge }: JobBucket, key: string, codec: CodecName): string =>
  `${edge} ${key} ${codec}`;

/** Asks the edge about all layers of a job in one request; returns the answers by key. */
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
