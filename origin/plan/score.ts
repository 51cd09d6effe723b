/** What a layer costs a client, what it saves, and its position in an image. */

/**
 * What fetching one more layer costs a client, in uncompressed bytes. docker needs 50 to 60 ms for
 * a layer of any size; at 20 MB/s of compressed bytes that is the time for 4 MB.
 */
export const LAYER_COST = 4_000_000;
/**
 * Pulls of one client that are looked at together: about a dozen share a client's layers before
 * they are cleaned up or outdated.
 */
export const PULLS = 12;

/**
 * The chance that a client, within PULLS pulls, meets what `load` packages of a mean pull contain.
 */
export const chance = (load: number): number => -Math.expm1(-PULLS * load);

/**
 * Added to what a layer saves, by its mean size: bytes that are in no package's rest are stored
 * once. In simulation this stores a fifth less, and clients wait no longer.
 */
const STORED_ONCE = 0.3;

/**
 * Bytes that a client is expected to save in PULLS pulls when a class has a layer of its own
 * instead of a place in the rest of each package that holds it. Below 0 it belongs in the rests.
 *
 * `inRests`, `inLayers`: expected bytes moved either way; `layers`: expected layers fetched;
 * `size`: mean bytes of what a package holds of the class.
 */
export const gainOf = (known: {
  readonly inRests: number;
  readonly inLayers: number;
  readonly layers: number;
  readonly size: number;
}): number => known.inRests - known.inLayers - known.layers * LAYER_COST + STORED_ONCE * known.size;

/**
 * Found by simulation: clients that reuse only equal prefixes of layers move 1.65× the ideal; with
 * 0.1 1.9×, 0.2 1.76×, 0.5 1.67×.
 */
const RANK_SIZE_POWER = 0.4;

/**
 * Where a part of `size` bytes, which `load` packages of a mean pull hold, stands in an image:
 * higher stands lower, where more clients find it again. What many want comes first, large before
 * small.
 */
export const rankOf = (load: number, size: number): number => load * size ** RANK_SIZE_POWER;

/** Rank of the base layer: no other part comes near it, so every image begins with it. */
export const BASE_RANK = 1e15;

/**
 * Gains from which a class has a layer of its own, by level, finest first. Images of up to 8
 * programs fit at the first; the second is for images of dozens of them.
 */
export const THRESHOLDS: readonly number[] = [0, 40_000_000];

/**
 * NAR bytes below which a part may be no layer: the plan takes the largest of these at which an
 * image's own layer carries about OWN_BYTES. What it carries is fetched again with every image, so
 * more of it saves a new client layers, and costs every other one bytes.
 */
export const SMALL_PARTS: readonly number[] = [
  500_000, 600_000, 700_000, 850_000, 1_000_000, 1_200_000, 1_400_000, 1_700_000, 2_000_000,
];
/** NAR bytes of small parts that a mean pull is to have. */
export const OWN_BYTES = 4_500_000;
