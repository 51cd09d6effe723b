/** What decides whether a class gets a layer of its own, and where that layer stands. */
import type { PlanClass } from "./plan.ts";

/**
 * Added to a class's demand. What few want is still moved again when an image takes its package at another level, so large unpopular things deserve a layer too:
 * in simulation this saves a quarter of the bytes stored and moves no more.
 */
const LEVEL_CHANGE = 0.05;

/** Bytes that would be moved again, per pull, if the class had no layer of its own. */
export const scoreOf = ({ demand, size }: Pick<PlanClass, "demand" | "size">): number => (demand + LEVEL_CHANGE) * size;

/** Higher stands lower in the image, where more clients find it again. Demand alone or size alone cost prefix clients a tenth more. */
export const rankOf = ({ demand, size }: Pick<PlanClass, "demand" | "size">): number => demand * Math.sqrt(size);

/** Classes below this are dust: a layer costs a client about as much as 300 kB, so they are always in the rest. */
export const DUST_SCORE = 10_000;

/** The ladder of levels, finest first. Steps of 1.5: between two of them a package loses few layers, so an image wastes little of its budget. */
export const THRESHOLDS: readonly number[] = [DUST_SCORE, ...Array.from({ length: 22 }, (_, step) => Number((15_000 * 1.5 ** step).toPrecision(3)))];
