/** The options of `firn origin` (options.ts), parsed. */
import type { PackagePolicy } from "../edge/contract/package-policy.ts";
import type { System } from "../edge/contract/records.ts";
import type { DiskBudget } from "./disk/budget.ts";
import type { BucketAccess } from "./layers/index.ts";
import type { NixLimits } from "./nix/limits.ts";

export interface OriginOptions extends NixLimits {
  readonly edges: readonly URL[];
  readonly name: string;
  /** Its Ed25519 private key, JWK as JSON. */
  readonly key: string;
  readonly packageSet: string;
  readonly systems: readonly System[];
  /** Jobs at once, over all edges. */
  readonly slots: number;
  /** Credentials for the bucket; without them the edges sign its uploads. */
  readonly ownBucket?: BucketAccess | undefined;
  /** Hosts to which an edge may send it, `host` or `host:port`; empty: by where the edge is. */
  readonly bucketHosts: readonly string[];
  /** Has caches, clones and garbage collector roots; may be deleted between runs. */
  readonly stateDir: string;
  /** Longest nix-build, seconds. */
  readonly nixTimeout: number;
  /** The farm's binary cache: the file with the signing key, and the trusted public keys. */
  readonly cacheKeyFile?: string;
  readonly cacheTrustedKeys: readonly string[];
  /** How much disk it may use, and whether it may run Nix's garbage collector. */
  readonly diskBudget: DiskBudget;
  readonly diskGc: "on" | "off";
  /** How long jobs may take to finish when it is to stop, seconds; the rest are handed back. */
  readonly drain: number;
  /** Memory that packing may use, bytes. */
  readonly packMemory: number;
  /** Path of libdeflate, if the system's loader does not find it. */
  readonly libdeflate?: string;
  /**
   * Base URL of the channels, and URL of a commit's archive with {revision} in it; by default those
   * of nixos.org and GitHub.
   */
  readonly channelsUrl?: string;
  readonly archiveUrl?: string;
  /** URI prefixes that an evaluation may fetch from. */
  readonly allowedUris?: readonly string[];
  /** Port of 127.0.0.1 for its metrics; none when left out. */
  readonly metricsPort?: number;
  /** What may be evaluated and built. */
  readonly policy: PackagePolicy;
  /**
   * Whether to serve edges that others can reach: with a Nix whose sandbox has known holes; without
   * a sandbox, or building as root.
   */
  readonly allowVulnerableNix: boolean;
  readonly allowUnsandboxed: boolean;
}
