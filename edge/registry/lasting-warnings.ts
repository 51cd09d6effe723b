/**
 * Warnings about the image itself, which every pull of it gets. Warnings about one pull (an origin
 * that is away, a build) are in the context.
 */
import type { ImageRecord, System } from "../contract/records.ts";

const COARSE =
  "these packages have more layers than docker can mount, so this image has coarser layers, of " +
  "which it shares fewer with other images";

/** For the images of these systems, each text once. */
export function lastingWarnings(
  { images }: Pick<ImageRecord, "images">,
  systems: readonly System[],
): string[] {
  const found = systems.flatMap((system) => images[system] ?? []);
  const isCoarse = found.some(({ levels }) => Object.values(levels).every((level) => level > 0));
  const said = found.flatMap(({ warnings = [] }) => warnings);
  return [...new Set([...said, ...(isCoarse ? [COARSE] : [])])];
}
