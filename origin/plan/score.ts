/** What a layer costs and saves a client, and its position in an image. */

/**
 * The cost of one more layer for a client, in uncompressed bytes: docker needs 50 to 60 ms for a
 * layer of any size, in which it fetches 4 MB at 20 MB/s of compressed bytes.
 */
export const LAYER_COST = 4_000_000;
/** Pulls of one client that share layers, before these are cleaned up or outdated. */
export const PULLS = 12;

/**
 * The chance that a client fetches, within PULLS pulls, what `load` packages of a mean pull
 * contain.
 */
export const chance = (load: number): number => -Math.expm1(-PULLS * load);

/**
 * Share of a layer's mean size that is added to its gain, since bytes of a layer are stored once,
 * and those of rests in each package. In simulation this stores a fifth less, and clients wait no
 * longer.
 */
const STORED_ONCE = 0.3;

/**
 * Bytes that a client is expected to save in PULLS pulls when a class has a layer of its own
 * instead of a place in the rest of each package that contains it. If negative, it belongs in the
 * rests.
 *
 * `inRests`, `inLayers`: bytes that the client is expected to fetch either way; `layers`: layers
 * that it is expected to fetch; `size`: mean bytes of what packages contain of the class.
 */
export const gainOf = (known: {
  readonly inRests: number;
  readonly inLayers: number;
  readonly layers: number;
  readonly size: number;
}): number => known.inRests - known.inLayers - known.layers * LAYER_COST + STORED_ONCE * known.size;

/**
 * Found by simulation: with 0.4, clients that reuse only equal prefixes of layers (docker's classic
 * store) fetch 1.65 times the ideal; with 0.1 1.9 times, with 0.2 1.76, with 0.5 1.67.
 */
const RANK_SIZE_POWER = 0.4;

/**
 * The rank of a part of `size` bytes that `load` packages of a mean pull contain. Parts with a
 * higher rank come first in an image, where more clients can reuse them: the most wanted, large
 * before small.
 */
export const rankOf = (load: number, size: number): number => load * size ** RANK_SIZE_POWER;

/** The rank of the base layer, larger than any other: every image begins with it. */
export const BASE_RANK = 1e15;

/**
 * Thresholds of the levels, the finest first: the least gain of a class with a layer of its own, in
 * bytes. Images of up to 8 programs fit at the first level, those of dozens at the second.
 */
export const THRESHOLDS: readonly number[] = [0, 40_000_000];

/**
 * Candidates for the size, in NAR bytes, below which a part is no layer but goes into an image's
 * own layer. The plan takes the largest at which that layer gets about OWN_BYTES. They are fetched
 * again with every image, so more of them save new clients layers, and cost all others bytes.
 */
export const SMALL_PARTS: readonly number[] = [
  500_000, 600_000, 700_000, 850_000, 1_000_000, 1_200_000, 1_400_000, 1_700_000, 2_000_000,
];
/** NAR bytes of small parts in a mean pull. */
export const OWN_BYTES = 4_500_000;
