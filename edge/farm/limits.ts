/** The farm's limits, each with its reason. Times are milliseconds. */
import { LEASE_SECONDS } from "../contract/messages.ts";
import { KEPT_MS } from "../store/fresh.ts";

export interface Times {
  /**
   * A connection that was let in says hello within this time, or is closed: origins say it first of
   * all, and pings alone would keep a socket open for good.
   */
  readonly hello: number;
  /**
   * A job that was sent and not accepted within this time is taken back: the origin answers at
   * once, so the connection is as good as dead.
   */
  readonly accept: number;
  /**
   * An origin whose connection dropped counts as there for this long: it keeps its jobs, and its
   * system is not yet without an origin. A deploy drops every socket; origins are back in 1 to 3 s.
   */
  readonly reconnect: number;
  /** Silence after which an origin has lost its jobs. */
  readonly lease: number;
  /**
   * An origin that refused or failed a job is not offered that job again for this long, even when
   * it is the only one.
   */
  readonly avoid: number;
  /**
   * What only origins could make that have taken no jobs for this long ends: a disk that is full has
   * room again by then if collecting garbage makes any.
   */
  readonly paused: number;
  /**
   * Those who wait for results that the bucket does not take are told after this time: most trouble
   * of a bucket passes sooner. When it refuses them, they are told at once.
   */
  readonly unstored: number;
  /**
   * Longest wait for a free origin, from when the work was asked for. Longer than anybody's
   * BUILD_WAIT: who asks after that starts over.
   */
  readonly queue: number;
  /**
   * Longest work on one job, whatever pings say: NIX_TIMEOUT with packing and uploading, with a
   * wide margin.
   */
  readonly job: number;
  /**
   * An item is wanted for this long after Build asked for it: three times `recheck`, so that a
   * client's retry finds it in its place.
   */
  readonly wanted: number;
  /**
   * A Build object that waits asks the farm again this often: a notice that got lost costs at most
   * this.
   */
  readonly recheck: number;
  /**
   * A Build object reads a record again that it was given longer ago than this: it may be withdrawn.
   * As long as isolates remember records.
   */
  readonly kept: number;
}

export const TIMES: Times = {
  hello: 10_000,
  accept: 10_000,
  reconnect: 10_000,
  lease: LEASE_SECONDS * 1_000,
  avoid: 5_000,
  paused: 30_000,
  unstored: 30_000,
  queue: 60 * 60_000,
  job: 3 * 60 * 60_000,
  wanted: 90_000,
  recheck: 30_000,
  kept: KEPT_MS,
};

/** An item is begun at most this often: one lost origin is chance, three are the item's fault. */
export const MAX_ATTEMPTS = 3;
/** Endings that are remembered, the latest. */
export const MAX_ENDINGS = 2_000;
/** How long an item that took its origins down is left alone, ms. */
export const QUARANTINE = 10 * 60_000;
/**
 * Longest record as JSON, characters: 80 of them stay below the 32 MiB that an RPC message may
 * have, and each below the 2 MB of a row in SQLite.
 */
export const MAX_RECORD = 384 * 1024;
/** Revisions remembered per origin, the latest: it holds their evaluation and store paths. */
export const MAX_REVISIONS = 20;
/** Requests to the bucket at once: a Worker may have 6 connections open. */
export const BUCKET_CONCURRENCY = 6;
