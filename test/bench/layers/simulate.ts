/**
 * Runs a trace against one way of cutting images into layers, and counts what clients move and the
 * bucket keeps.
 */
import type { Dag } from "../../../origin/plan/graph.ts";
import type { Request, Trace } from "./trace.ts";

export interface SimLayer {
  /** Equal for layers with the same store paths, of one strategy. */
  readonly key: string;
  /** Raw bytes: compression is taken as the same fraction everywhere. */
  readonly size: number;
}

export interface SimImage {
  /** In the order of the manifest, without the image's own layer. */
  readonly layers: readonly SimLayer[];
  /**
   * What the image's own layer (the profile layer) carries beside the profile. The profile and its
   * layer are counted for nobody, since no strategy does without; these bytes are.
   */
  readonly own?: SimLayer;
  /** Whether everything that it needs had been published before. */
  readonly composable: boolean;
}

export interface Strategy {
  readonly name: string;
  /** Called once per (image, revision), in the order of first pulls. */
  image(request: Request): SimImage;
  /** All layers made so far: the bucket. */
  made(): Iterable<SimLayer>;
}

/**
 * What fetching one layer costs in bytes on a slow line: 119 tiny layers took docker 5.9 s, as long
 * as 300 kB each.
 */
export const SLOW_LINE_LAYER = 300_000;
/**
 * What fetching one layer costs in uncompressed bytes on a fast line: 50 to 60 ms in docker, and at
 * 20 MB/s (compressed) that is 4 MB.
 */
export const FAST_LINE_LAYER = 4_000_000;

export interface Figures {
  readonly cost: number;
  readonly cold: number;
  readonly "moved.digest": number;
  readonly "moved.prefix": number;
  readonly "moved.cost": number;
  readonly stored: number;
  readonly "layers.mean": number;
  readonly "layers.max": number;
  readonly composable: number;
}

/** The store path of a component at a revision: one number. */
export const pathAt = (dag: Dag, trace: Trace, component: number, revision: 0 | 1): number =>
  revision === 1 && trace.changed[component] === 1 ? component + dag.count : component;

export interface Ideal {
  readonly moved: number;
  /** Pulls that bring something new: one layer each. */
  readonly fetches: number;
  readonly stored: number;
  /** Bytes of each image, by request id. */
  readonly images: ReadonlyMap<number, number>;
}

/** Every store path once per client; what is stored is every path once. */
export function ideal(dag: Dag, trace: Trace, closure: (component: number) => Int32Array): Ideal {
  const paths = new Map<number, Set<number>>();
  const clients = new Map<number, Set<number>>();
  const all = new Set<number>();
  const images = new Map<number, number>();
  let moved = 0;
  let fetches = 0;
  let stored = 0;
  for (const { client, request } of trace.pulls) {
    let wanted = paths.get(request.id);
    if (!wanted) {
      paths.set(request.id, (wanted = new Set()));
      for (const root of request.roots)
        for (const component of closure(root))
          wanted.add(pathAt(dag, trace, component, request.revision));
      let bytes = 0;
      for (const path of wanted) bytes += dag.size[path % dag.count]!;
      images.set(request.id, bytes);
    }
    let has = clients.get(client);
    if (!has) clients.set(client, (has = new Set()));
    const before = moved;
    for (const path of wanted) {
      const size = dag.size[path % dag.count]!;
      if (!all.has(path)) {
        all.add(path);
        stored += size;
      }
      if (has.has(path)) continue;
      has.add(path);
      moved += size;
    }
    if (moved > before) fetches++;
  }
  return { moved, fetches, stored, images };
}

/** One strategy's figures; bytes are relative to the ideal's. */
export function simulate(trace: Trace, best: Ideal, strategy: Strategy): Figures {
  const images = new Map<number, SimImage>();
  const byDigest = new Map<number, Set<string>>();
  const byPrefix = new Map<number, Trie>();
  let moved = 0;
  let fetched = 0;
  let prefix = 0;
  let cold = 0;
  let coldest = 0;
  for (const { client, request } of trace.pulls) {
    let image = images.get(request.id);
    if (!image) images.set(request.id, (image = strategy.image(request)));
    let has = byDigest.get(client);
    if (!has) byDigest.set(client, (has = new Set()));
    let chain: Trie = byPrefix.get(client) ?? new Map();
    byPrefix.set(client, chain);
    const fresh = has.size === 0;
    if (fresh) {
      const layers = image.layers.length;
      const bytes = image.layers.reduce((sum, { size }) => sum + size, image.own?.size ?? 0);
      cold += bytes + layers * FAST_LINE_LAYER;
      coldest += best.images.get(request.id)! + FAST_LINE_LAYER;
    }
    if (image.own && !has.has(image.own.key)) {
      has.add(image.own.key);
      moved += image.own.size;
      prefix += image.own.size;
    }
    for (const { key, size } of image.layers) {
      if (!has.has(key)) {
        has.add(key);
        moved += size;
        fetched++;
      }
      let next: Trie | undefined = chain.get(key);
      if (!next) {
        chain.set(key, (next = new Map()));
        prefix += size;
      }
      chain = next;
    }
  }
  const all = [...images.values()];
  const counts = all.map((image) => image.layers.length);
  const cost = (layer: number): number =>
    (moved + fetched * layer) / (best.moved + best.fetches * layer);
  return {
    cost: cost(FAST_LINE_LAYER),
    cold: cold / coldest,
    "moved.digest": moved / best.moved,
    "moved.prefix": prefix / best.moved,
    "moved.cost": cost(SLOW_LINE_LAYER),
    stored: [...strategy.made()].reduce((sum, layer) => sum + layer.size, 0) / best.stored,
    "layers.mean": counts.reduce((sum, count) => sum + count, 0) / counts.length,
    "layers.max": Math.max(...counts),
    composable: all.filter((image) => image.composable).length / all.length,
  };
}

/** Layer chains that a prefix client has: a layer counts as there only below the same layers. */
interface Trie extends Map<string, Trie> {}
