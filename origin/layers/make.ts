/**
 * Makes layers. For each part, by its key: what the bucket has a record of is done. For the rest, the members that the cache lacks are made, the largest first, on all
 * threads; a layer whose members are there is assembled at once, before other members, and uploaded while they are compressed. Blobs go first, the record last.
 */
import { closeSync } from "node:fs";
import type { Logger } from "pino";
import type { LimitFunction } from "p-limit";
import { blobPath } from "../../edge/image/keys.ts";
import type { Layer } from "../../edge/image/records.ts";
import type { StorePathInfo } from "../nix/types.ts";
import type { AssembledLayer, SpooledBlob } from "./assemble.ts";
import type { OriginBucket } from "./bucket.ts";
import type { MemberCache } from "./cache.ts";
import type { CodecName } from "./codecs.ts";
import { type KnownLayer, readLayer, recordLayer, recordZstd } from "./layer-records.ts";
import type { MemberWanted } from "./member.ts";
import { SharedWork } from "./shared.ts";
import { TreeError } from "./tree.ts";
import type { Workers } from "./workers.ts";

/** What a layer is made of. */
export interface LayerPart {
  readonly key: string;
  readonly paths: readonly StorePathInfo[];
}

export interface MakeOptions {
  readonly signal: AbortSignal;
  /** Make zstd blobs as well. */
  readonly zstd: boolean;
}

export interface LayerMakerParts {
  readonly bucket: OriginBucket;
  readonly cache: MemberCache;
  readonly workers: Workers;
  /** Directory that /nix/store lies in. */
  readonly root: string;
  readonly spoolDir: string;
  /** Layers that are assembled or uploaded at once. */
  readonly uploads: LimitFunction;
  readonly logger: Logger;
}

const MEDIA_TYPES: Record<CodecName, string> = {
  gzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  zstd: "application/vnd.oci.image.layer.v1.tar+zstd",
};

export class LayerMaker {
  readonly #with: LayerMakerParts;
  readonly #layers = new SharedWork<Layer>();
  readonly #members = new SharedWork<void>();

  constructor(parts: LayerMakerParts) {
    this.#with = parts;
  }

  /** The layers of the parts, in their order. When one fails, the others are given up. */
  async make(parts: readonly LayerPart[], { signal, zstd }: MakeOptions): Promise<Layer[]> {
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    // The largest are begun first, so that none is left alone at the end.
    const bySize = [...parts.keys()].sort((a, b) => size(parts[b] as LayerPart) - size(parts[a] as LayerPart));
    const made = new Array<Promise<Layer>>(parts.length);
    for (const index of bySize) {
      const part = parts[index] as LayerPart;
      made[index] = this.#layers.run(`${part.key} ${zstd}`, either, (signal) => this.#one(part, zstd, signal));
    }
    try {
      return await Promise.all(made);
    } catch (error) {
      stop.abort(error);
      await Promise.allSettled(made);
      throw error;
    }
  }

  async #one(part: LayerPart, zstd: boolean, signal: AbortSignal): Promise<Layer> {
    const { bucket } = this.#with;
    const known = await readLayer(bucket, part.key, zstd, signal);
    const codecs = (["gzip", "zstd"] as const).filter((name) => known[name] === undefined && (name === "gzip" || zstd));
    if (codecs.length === 0) return merged(known);
    const members = [...part.paths].sort((a, b) => (a.path < b.path ? -1 : 1)).map((info) => ({ info, member: this.#member(info, codecs) }));
    const started = performance.now();
    await Promise.all(members.map(({ info, member }) => this.#prepare(info, member, codecs, signal)));
    return this.#with.uploads(async () => {
      signal.throwIfAborted();
      const wanted = { codecs, members: members.map(({ member }) => member), spoolDir: this.#with.spoolDir };
      const layer = await this.#with.workers.run<"layer">({ kind: "layer", layer: wanted }, { signal, urgent: true, release: closeBlobs });
      try {
        if (layer.madeBytes > 0) await this.#with.cache.added(layer.madeBytes);
        const packed = performance.now();
        const done = await this.#publish(part, known, layer, signal);
        this.#with.logger.debug({ key: part.key, paths: part.paths.length, size: done.size, packMs: Math.round(packed - started), uploadMs: Math.round(performance.now() - packed) }, "layer made");
        return done;
      } finally {
        closeBlobs(layer);
      }
    });
  }

  #member({ path, narHash }: StorePathInfo, codecs: readonly CodecName[]): MemberWanted {
    const { cache, root } = this.#with;
    return { root, storePath: path, files: Object.fromEntries(codecs.map((name) => [name, cache.file(path, narHash, name)])) };
  }

  /** Makes what the cache lacks of a member. Whether what it has is right, is found out when the layer is assembled. */
  async #prepare(info: StorePathInfo, member: MemberWanted, codecs: readonly CodecName[], signal: AbortSignal): Promise<void> {
    await this.#members.run(`${info.path} ${info.narHash} ${codecs.join()}`, signal, async (signal) => {
      const there = await Promise.all(codecs.map((name) => this.#with.cache.use(member.files[name] as string)));
      const missing = codecs.filter((_, index) => there[index] !== true);
      if (missing.length === 0) return;
      const files = Object.fromEntries(missing.map((name) => [name, member.files[name] as string]));
      await this.#with.cache.added(await this.#with.workers.run<"member">({ kind: "member", member: { ...member, files } }, { signal, weight: info.narSize }));
    });
  }

  async #publish(part: LayerPart, known: KnownLayer, { diffId, blobs }: AssembledLayer, signal: AbortSignal): Promise<Layer> {
    const { bucket } = this.#with;
    if (known.gzip !== undefined && known.gzip.diffId !== diffId) throw differs(part.key, known.gzip, diffId);
    await Promise.all(Object.entries(blobs).map(([name, blob]) => bucket.putBlob(blobPath(blob.digest), blob.digest, blob, MEDIA_TYPES[name as CodecName], signal)));
    const [gzip, zstd] = await Promise.all([
      blobs.gzip === undefined ? known.gzip : recordLayer(bucket, { key: part.key, diffId, ...descriptor(blobs.gzip) }, signal),
      blobs.zstd === undefined ? known.zstd : recordZstd(bucket, part.key, descriptor(blobs.zstd), signal),
    ]);
    if (gzip !== undefined && gzip.diffId !== diffId) throw differs(part.key, gzip, diffId);
    return merged({ gzip, zstd });
  }
}

const size = ({ paths }: LayerPart): number => paths.reduce((sum, { narSize }) => sum + narSize, 0);
const descriptor = ({ digest, size }: SpooledBlob) => ({ digest, size });

/** The layer as package records have it. */
function merged({ gzip, zstd }: KnownLayer): Layer {
  if (gzip === undefined) throw new Error("a layer was made without its gzip blob");
  return { ...gzip, ...(zstd === undefined ? {} : { zstd }) };
}

function closeBlobs({ blobs }: AssembledLayer): void {
  for (const { fd } of Object.values(blobs)) closeSync(fd);
}

/** The same NAR hashes must give the same tar: anything else is a store that was tampered with, or a fault of ours that must not spread. */
function differs(key: string, recorded: Layer, diffId: string): TreeError {
  return new TreeError(`layer ${key} is ${recorded.diffId} in the bucket and ${diffId} from this store: is this store damaged? \`nix-store --verify --check-contents\` tells`);
}
