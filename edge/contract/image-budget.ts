/**
 * Limits the memory for composing one image. A Worker has 128 MB for everything it does, and an
 * image of packages that overlap in a hundred thousand files would take all of it.
 *
 *   parts of listings as they are read     their bytes
 *   a directory that is read               2 × its line, 80 for each entry
 *   a link of the profile                  200, and its texts
 *   the small parts                        their bytes, and again in the layer
 *
 * These are rough upper bounds of the memory in V8. Nothing is released before the profile is
 * merged.
 */
import { InvalidName } from "./names.ts";

/** Most memory of one image, bytes. */
export const MAX_IMAGE_BYTES = 16 * 2 ** 20;

/** An entry of a parsed directory apart from its name: the Map's entry and the string's header. */
export const DIRECTORY_ENTRY_BYTES = 80;
/** A link: the object, its slot in the array, the headers of its two strings. */
export const LINK_BYTES = 200;

export class ImageBudget {
  #left: number;

  /** `taken`: what is taken at the start. Throws as `take` does. */
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

/**
 * The error for packages that overlap in too many files. `component`: the package at which the
 * budget ran out.
 */
export const imageTooLarge = (component?: string): InvalidName =>
  new InvalidName(
    "these packages overlap in too many files to be in one image: ask for fewer of them",
    { rule: "memory", limit: MAX_IMAGE_BYTES, ...(component && { component }) },
  );
