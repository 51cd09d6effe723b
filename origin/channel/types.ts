/** The channel to one edge, as the origin uses it. */
import type { Logger } from "pino";
import type { System } from "../../edge/contract/records.ts";
import type { Destinations } from "./destinations.ts";
import type { CacheRequests } from "./requests.ts";
import type { Run } from "./run.ts";
import type { Slots } from "./slots.ts";

export interface ConnectOptions {
  /** Its host and port are the audience of the tokens: one of the edge's EDGE_HOST. */
  readonly edge: URL;
  readonly name: string;
  /** Ed25519 private key, as JWK (JSON) or PEM. */
  readonly key: string;
  /** What the edge is told of the origin. `slots`: jobs that it may be given at once. */
  readonly hello: {
    readonly version: string;
    readonly nix: string;
    /** Whether its builds run in Nix's sandbox, and whether that is known to leak. */
    readonly sandbox: boolean;
    readonly nixVulnerable: boolean;
    /** Nix's system features of this machine; default: none. */
    readonly features?: readonly string[];
    readonly systems: readonly System[];
    readonly slots: number;
    readonly packageSet: { readonly id: string; readonly label: string };
    /** Whether it stores blobs with credentials of its own. */
    readonly ownBucket: boolean;
  };
  /** Where this edge may send the origin; unset: by where the edge is. */
  readonly destinations?: Destinations;
  readonly run: Run;
  readonly logger: Logger;
  /**
   * Shared by all channels of an origin, so that together they use its slots; default: own slots.
   */
  readonly slots?: Slots;
  /** Time between pings, ms. A ping without an answer before the next ends the connection. */
  readonly pingMs?: number;
  /** How long `drain` lets jobs finish, ms; those left are handed back to the edge. */
  readonly drainMs?: number;
  readonly onState?: (state: ChannelState) => void;
}

/** `waiting`: not connected, about to try again. */
export type ChannelState = "connecting" | "connected" | "waiting" | "draining" | "closed";

/** Whether the origin takes jobs; `reason`: why not. */
export interface ChannelStatus {
  readonly accepting: boolean;
  readonly reason?: string;
  readonly freeBytes?: number;
}

export interface Channel {
  readonly state: ChannelState;
  /** Tells the edge what a tag means: at once, and on every later connection. */
  announce(tag: string, revision: string): void;
  /** Tells the edge the names of all tags: at once, and on every later connection. */
  listTags(tags: readonly string[]): void;
  /** The binary cache of this edge's farm. */
  readonly cache: CacheRequests;
  /** Tells the edge whether the origin takes jobs: at once, and on every later connection. */
  status(status: ChannelStatus): void;
  /** Takes no more jobs, finishes its jobs or hands them back, and closes the connection. */
  drain(): Promise<void>;
}
