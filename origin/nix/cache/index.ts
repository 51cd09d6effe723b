/**
 * The farm's Nix binary cache, so that a derivation is built by one origin alone. Storing needs a
 * signing key, reading trusted public keys; an origin may do either or both.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { type CacheRequests, type Destinations, SignedRequests } from "../../channel/index.ts";
import type { CacheHooks } from "../settings.ts";
import { Pusher } from "./pusher.ts";
import type { SigningKey } from "./signing-key.ts";
import { Substituter } from "./substituter.ts";

/** How long to wait for a channel, ms: the package set opens before the origin connects. */
const CONNECTING_MS = 1_000;

export interface FarmCacheOptions {
  readonly directory: string;
  readonly key: SigningKey | undefined;
  readonly trustedKeys: readonly string[];
  /** The edge that is asked; the first of several. */
  readonly requests: () => CacheRequests | undefined;
  /** Of that edge. */
  readonly destinations: Destinations;
  readonly logger: Pick<Logger, "info" | "warn" | "debug">;
}

export interface FarmCache {
  /** For builds; undefined when the cache is not used. */
  readonly hooks: CacheHooks | undefined;
  close(): Promise<void>;
}

/** Opens what stores and reads. Throws an Error when it cannot listen on 127.0.0.1. */
export async function openFarmCache(options: FarmCacheOptions): Promise<FarmCache> {
  const { directory, key, trustedKeys, requests, destinations, logger } = options;
  if (key === undefined && trustedKeys.length === 0)
    return { hooks: undefined, close: () => Promise.resolve() };
  const cache: CacheRequests = {
    store: async (file, signal) => (await connected(requests, signal)).store(file, signal),
    url: async (path, signal) => (await connected(requests, signal)).url(path, signal),
  };
  const http = new SignedRequests(destinations);
  const substituter =
    trustedKeys.length === 0 ? undefined : await Substituter.open({ cache, http, logger });
  const pusher =
    key === undefined ? undefined : new Pusher({ directory, key, cache, http, logger });
  return {
    hooks: {
      substituter: substituter && { url: substituter.url, keys: trustedKeys },
      built: (derivations) => pusher?.built(derivations),
    },
    async close() {
      await substituter?.close();
      await pusher?.close();
      http.close();
    },
  };
}

async function connected(
  requests: FarmCacheOptions["requests"],
  signal: AbortSignal,
): Promise<CacheRequests> {
  for (;;) {
    const found = requests();
    if (found !== undefined) return found;
    await sleep(CONNECTING_MS, undefined, { signal });
  }
}
