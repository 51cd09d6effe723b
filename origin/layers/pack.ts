/**
 * Packs store paths into a layer on this machine's disk. Members that the cache lacks are made
 * first, the largest at once, on all threads; a layer whose members are there is assembled before
 * other members are made, so that it can be uploaded while they are compressed.
 */
import { closeSync } from "node:fs";
import type { StorePathInfo } from "../nix/types.ts";
import type { AssembledLayer } from "./assemble.ts";
import type { MemberCache } from "./cache.ts";
import type { CodecName } from "./codecs.ts";
import type { MemberWanted } from "./member.ts";
import { SharedWork } from "./shared.ts";
import type { Workers } from "./workers.ts";

export interface PackerParts {
  readonly cache: MemberCache;
  readonly workers: Workers;
  /** Directory that /nix/store lies in. */
  readonly root: string;
  /** Where layers wait for their upload. */
  readonly spoolDir: string;
}

export class Packer {
  readonly #with: PackerParts;
  readonly #members = new SharedWork<void>();

  constructor(parts: PackerParts) {
    this.#with = parts;
  }

  /**
   * Makes what the cache lacks of the members. Whether what it has is right, is found out when the
   * layer is assembled.
   */
  async prepare(
    paths: readonly StorePathInfo[],
    codecs: readonly CodecName[],
    signal: AbortSignal,
  ): Promise<void> {
    await Promise.all(
      paths.map((info) =>
        this.#members.run(`${info.path} ${info.narHash} ${codecs.join()}`, signal, (signal) =>
          this.#prepareOne(info, codecs, signal),
        ),
      ),
    );
  }

  /** The layer of these paths. The taker closes its blobs, with `closeBlobs`. */
  async assemble(
    paths: readonly StorePathInfo[],
    codecs: readonly CodecName[],
    signal: AbortSignal,
  ): Promise<AssembledLayer> {
    const { cache, workers, spoolDir } = this.#with;
    const members = [...paths]
      .sort((a, b) => (a.path < b.path ? -1 : 1))
      .map((info) => this.#wanted(info, codecs));
    const layer = await workers.run<"layer">(
      { kind: "layer", layer: { codecs, members, spoolDir } },
      { signal, urgent: true, release: closeBlobs },
    );
    if (layer.madeBytes > 0) await cache.added(layer.madeBytes);
    return layer;
  }

  async #prepareOne(
    info: StorePathInfo,
    codecs: readonly CodecName[],
    signal: AbortSignal,
  ): Promise<void> {
    const { cache, workers } = this.#with;
    const there = await Promise.all(
      codecs.map((name) => cache.use(cache.file(info.path, info.narHash, name))),
    );
    const missing = codecs.filter((_, index) => there[index] !== true);
    if (missing.length === 0) return;
    const task = { kind: "member", member: this.#wanted(info, missing) } as const;
    await cache.added(await workers.run<"member">(task, { signal, weight: info.narSize }));
  }

  #wanted({ path, narHash }: StorePathInfo, codecs: readonly CodecName[]): MemberWanted {
    const { cache, root } = this.#with;
    return {
      root,
      storePath: path,
      files: Object.fromEntries(codecs.map((name) => [name, cache.file(path, narHash, name)])),
    };
  }
}

export function closeBlobs({ blobs }: AssembledLayer): void {
  for (const { fd } of Object.values(blobs)) closeSync(fd);
}
