/** Where `firn plan` reads, unless it is told otherwise. */

/**
 * Where nixos.org publishes the contents of a channel, with `{channel}` in it, and its binary
 * cache.
 */
export const DEFAULT_STORE_PATHS = "https://channels.nixos.org/{channel}/store-paths.xz";
export const DEFAULT_CACHE = "https://cache.nixos.org";
