/**
 * Globs of package and image names, as operators write them in allow and deny lists. `*` matches
 * any characters, including `.` and `/`; everything else matches itself, ignoring case.
 *
 *   "pkgscross*"   pkgsCross, pkgsCross.aarch64-multiplatform.hello
 *   "*.pkgs"       python3packages.pkgs
 */

/** Longest glob, characters: a name has at most 255. */
const MAX_GLOB_LENGTH = 255;
/** Most `*` in one glob: the time to match grows with them. */
const MAX_GLOB_STARS = 8;

/** What other kinds of globs and regular expressions have, and no name: it would never match. */
const NO_NAME_HAS = /[?[\]{}()|!^$\\]/;

/** What is wrong with a glob, for a person; undefined when nothing is. */
export function globFault(glob: string): string | undefined {
  if (glob === "") return "is empty";
  const [other] = NO_NAME_HAS.exec(glob) ?? [];
  if (other !== undefined) return `has "${other}": only "*" stands for something else`;
  if (glob.length > MAX_GLOB_LENGTH) return `has more than ${MAX_GLOB_LENGTH} characters`;
  if (glob.split("*").length - 1 > MAX_GLOB_STARS) return `has more than ${MAX_GLOB_STARS} "*"`;
  return undefined;
}

/**
 * Whether a glob matches a name. Linear for each `*`: the leftmost match of a piece leaves the most
 * room for the pieces after it, so there is no backtracking.
 */
export function globMatches(glob: string, name: string): boolean {
  const [first = "", ...pieces] = glob.toLowerCase().split("*");
  const text = name.toLowerCase();
  if (!text.startsWith(first)) return false;
  const last = pieces.pop();
  if (last === undefined) return text === first;
  let at = first.length;
  for (const piece of pieces) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

/** The first glob of a list that matches the name. */
export const firstMatch = (globs: readonly string[], name: string): string | undefined =>
  globs.find((glob) => globMatches(glob, name));
