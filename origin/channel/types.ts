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
  /** What it says about itself. `slots`: jobs that the edge may give it at once. */
  readonly hello: {
    readonly version: string;
    readonly nix: string;
    /** Whether its builds run in Nix's sandbox, and whether that is known to leak. */
    readonly sandbox: boolean;
    readonly nixVulnerable: boolean;
    /** Nix's system features that it has; none when left out. */
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
   * Shared by the channels of an origin that serves several edges, so that together they fill its
   * slots; unset: slots of its own.
   */
  readonly slots?: Slots;
  /** Between pings, ms. A ping that is not answered before the next ends the connection. */
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
  /** A tag means another revision now: sent at once, and again on every later connection. */
  announce(tag: string, revision: string): void;
  /** The tags that the set has: sent at once, and again on every later connection. */
  listTags(tags: readonly string[]): void;
  /** The binary cache of this edge's farm. */
  readonly cache: CacheRequests;
  /** Whether it takes jobs from now on: sent now, and on every later connection. */
  status(status: ChannelStatus): void;
  /** Takes no more jobs, finishes those it has or hands them back, and closes. */
  drain(): Promise<void>;
}
