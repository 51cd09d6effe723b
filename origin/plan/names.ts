/** Names of store paths, by which the plan of one revision is applied to another. */

/** The name in a store path (`/nix/store/<32 characters>-<name>`), else in the last component. */
export function storeName(path: string): string {
  const file = path.slice(path.lastIndexOf("/") + 1);
  return /^[0-9a-z]{32}-/.test(file) ? file.slice(33) : file;
}

/**
 * The name without its version, output kept: `git-2.39.5` → `git`, `git-2.39.5-doc` → `git doc`. As
 * Nix splits them (builtins.parseDrvName): the version starts after the first dash that no letter
 * follows. What follows a later dash with a letter is the output's name (`-doc`, `-lib`, `-dev`),
 * which is no part of the version.
 */
export function versionless(name: string): string {
  const start = /-(?![a-zA-Z])./.exec(name);
  if (!start) return name;
  const output = /-([a-z][a-z_]*)$/.exec(name.slice(start.index + 1));
  return output ? `${name.slice(0, start.index)} ${output[1]}` : name.slice(0, start.index);
}

/** The length of the common prefix of two texts: the longer, the nearer are two versions. */
export function commonPrefix(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}
