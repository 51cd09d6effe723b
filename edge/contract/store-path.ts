/** Names of store paths: /nix/store/<32 characters of a hash>-<name>. */

const HASH_LENGTH = 32;

/** The name of a store path: what follows the hash. */
export const storeName = (path: string): string =>
  path.slice("/nix/store/".length + HASH_LENGTH + 1);

/**
 * Name and version as Nix separates them (builtins.parseDrvName): the version begins after the
 * first dash that is not followed by a letter.
 */
export function nameAndVersion(name: string): { readonly name: string; readonly version: string } {
  const at = name.search(/-[^A-Za-z]/);
  return at < 0 ? { name, version: "" } : { name: name.slice(0, at), version: name.slice(at + 1) };
}
