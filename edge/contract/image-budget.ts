/**
 * The memory that one image may take while it is composed. A Worker has 128 MB for everything that
 * it does, and an image of packages that overlap in a hundred thousand files would take all of it.
 *
 *   parts of listings as they are read     their bytes
 *   a directory that is looked into        2 × its line, 80 for each entry
 *   a link of the profile                  200, and its texts
 *   the small parts                        their bytes, and again in the layer
 *
 * These are rough upper bounds of what it takes in V8. Nothing is given back before the profile is
 * merged.
 */
import { InvalidName } from "./names.ts";

/** Most memory of one image, bytes. */
export const MAX_IMAGE_BYTES = 16 * 2 ** 20;

/** An entry of a parsed directory, beside its name: the Map's entry and the head of its string. */
export const DIRECTORY_ENTRY_BYTES = 80;
/** A link: the object, its place in the array, the heads of its two strings. */
export const LINK_BYTES = 200;

export class ImageBudget {
  #left: number;

  /** `taken`: what the image takes already. Throws as `take`. */
  constructor(taken = 0) {
    this.#left = MAX_IMAGE_BYTES;
    this.take(taken);
  }

  /** Throws imageTooLarge. */
  take(bytes: number, component?: string): void {
    this.#left -= bytes;
    if (this.#left < 0) throw imageTooLarge(component);
  }
}

/** The error for an image whose packages overlap in too many files; `component`: where it ended. */
export const imageTooLarge = (component?: string): InvalidName =>
  new InvalidName(
    "these packages overlap in too many files to be in one image: ask for fewer of them",
    { rule: "memory", limit: MAX_IMAGE_BYTES, ...(component && { component }) },
  );
