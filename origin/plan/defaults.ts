/** Default URLs of `firn plan`. */

/** nixos.org's list of the store paths of a channel, and its binary cache. */
export const DEFAULT_STORE_PATHS = "https://channels.nixos.org/{channel}/store-paths.xz";
export const DEFAULT_CACHE = "https://cache.nixos.org";
