/** What decides whether a class gets a layer of its own, and where that layer stands. */
import type { PlanClass } from "./plan.ts";

/**
 * Added to a class's load. What few want is still moved again when an image takes its package at
 * another level, so large unpopular things deserve a layer too: in simulation this saves a quarter
 * of the bytes stored and moves no more.
 */
const LEVEL_CHANGE = 0.05;

/**
 * About the bytes that would be moved again, per pull, if the class had no layer of its own: it
 * would be in the rest of each package that holds it.
 */
export const scoreOf = ({ load, size }: Pick<PlanClass, "load" | "size">): number =>
  (load + LEVEL_CHANGE) * size;

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

/**
 * Classes below this are dust: a layer costs a client about as much as 300 kB, so they are always
 * in the rest.
 */
export const DUST_SCORE = 10_000;

/**
 * The ladder of levels, finest first. Steps of 1.5: between two of them a package loses few layers,
 * so an image wastes little of its budget.
 */
export const THRESHOLDS: readonly number[] = [
  DUST_SCORE,
  ...Array.from({ length: 22 }, (_, step) => Number((15_000 * 1.5 ** step).toPrecision(3))),
];
