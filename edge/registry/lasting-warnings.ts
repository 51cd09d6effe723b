/**
 * Warnings about the image itself, which every pull of it gets. Warnings of one pull (an origin
 * that is away, a build) are in the context.
 */
import type { ImageRecord, System } from "../contract/records.ts";

const COARSE =
  "these packages have more layers together than docker mounts, so the image has coarser ones, of " +
  "which it shares fewer with other images";

/** Of the images for these systems, each text once. */
export function lastingWarnings(
  { images }: Pick<ImageRecord, "images">,
  systems: readonly System[],
): string[] {
  const found = systems.flatMap((system) => images[system] ?? []);
  const isCoarse = found.some(({ levels }) => Object.values(levels).every((level) => level > 0));
  const said = found.flatMap(({ warnings = [] }) => warnings);
  return [...new Set([...said, ...(isCoarse ? [COARSE] : [])])];
}
