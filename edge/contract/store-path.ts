/** Names of store paths: /nix/store/<32 characters of a hash>-<name>. */

const HASH_LENGTH = 32;

/** The name of a store path: what follows its hash. */
export const storeName = (path: string): string =>
  path.slice("/nix/store/".length + HASH_LENGTH + 1);

/**
 * Name and version as Nix tells them apart (builtins.parseDrvName): the version begins after the
 * first dash that no letter follows.
 */
export function nameAndVersion(name: string): { readonly name: string; readonly version: string } {
  const at = name.search(/-[^A-Za-z]/);
  return at < 0 ? { name, version: "" } : { name: name.slice(0, at), version: name.slice(at + 1) };
}
