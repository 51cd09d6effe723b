/**
 * The systems for which a client wants an image, and whether an image record answers that. Pure.
 */
import { type ImageRecord, isKnown, type System } from "../contract/records.ts";

export interface WantedSystems {
  /** Those of the image: SYSTEMS, or the one that the name pins. */
  readonly all: readonly System[];
  /** The system that the client needs, as far as can be told. */
  readonly asked: System | undefined;
  /** Whether the client can take no other. */
  readonly only: boolean;
}

/** Whether the record answers the client, so that no system has to be attempted for it. */
export const isComplete = (known: ImageRecord, { all, asked, only }: WantedSystems): boolean =>
  only && asked !== undefined
    ? known.images[asked] !== undefined
    : all.every((system) => isKnown(known, system));

/** The systems that have no image and never will at this revision, and why. */
export const absences = (
  { images, without }: ImageRecord,
  { all }: WantedSystems,
): Map<System, string> =>
  new Map(
    all.flatMap((system) => {
      const absence = without[system];
      return images[system] || !absence ? [] : [[system, absence.message] as const];
    }),
  );
