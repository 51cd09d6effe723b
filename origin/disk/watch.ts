/**
 * Keeps an origin within its disk budget (budget.ts). It checks the disk every CHECK_MS, and at
 * once when a job has met a full disk, and makes room when there is little. When no room can be
 * made, the origin takes no jobs, rather than fail them, until there is room again.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { type DiskBudget, type Room, roomOf, shown, takesJobs, toFree } from "./budget.ts";
import { makeRoom } from "./collect.ts";
import { Meter } from "./measure.ts";
import { stateFiles } from "./state-files.ts";
import { removeLeftovers } from "./temporary.ts";

/** Time between two checks, ms: a large build writes some GB in this time. */
const CHECK_MS = 15_000;
/**
 * Pause after a collection that could not free enough, ms: another would read all of Nix's database
 * and find the same.
 */
const PAUSE_MS = 5 * 60_000;
/** Files in the state directory that were used within this time, ms, count as in use. */
const IDLE_MS = 60 * 60_000;

/** Whether the origin takes jobs, and why not. */
export interface DiskStatus {
  readonly accepting: boolean;
  readonly reason?: string;
  /** Free bytes on the file system of the Nix store. */
  readonly freeBytes: number;
}

export interface DiskOptions {
  readonly stateDir: string;
  readonly budget: DiskBudget;
  /** Whether Nix's garbage collector may be run. */
  readonly gc: boolean;
  /** Longest evaluation and build of a job, seconds: files used within twice this are in use. */
  readonly nixTimeout: number;
  /** Gives up roots of what was built and no job needs; returns how many. */
  readonly release: () => number;
  readonly logger: Pick<Logger, "info" | "warn" | "error">;
  readonly onStatus: (status: DiskStatus) => void;
  readonly checkMs?: number;
  readonly pauseMs?: number;
}

/** Watches the disk of one origin. */
export class Disk {
  readonly #options: DiskOptions;
  readonly #meter: Meter;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #status: DiskStatus = { accepting: true, freeBytes: 0 };
  #checking: Promise<void> | undefined;
  /** No collection before this time. */
  #pausedUntil = 0;

  /**
   * Removes what killed processes have left, measures the disk without making room, and from then
   * on checks it regularly until `close`.
   */
  static async open(options: DiskOptions): Promise<Disk> {
    const left = removeLeftovers(options.stateDir);
    if (left > 0) options.logger.info({ files: left }, "removed what a killed process left behind");
    const disk = new Disk(options);
    await disk.#look();
    return disk;
  }

  private constructor(options: DiskOptions) {
    this.#options = options;
    this.#meter = new Meter(options.stateDir, options.budget);
    this.#running = this.#keepChecking();
  }

  get status(): DiskStatus {
    return this.#status;
  }

  /** Checks the disk now, and makes room when there is little. Never rejects. */
  check(): Promise<void> {
    this.#checking ??= this.#check()
      .catch((error: unknown) => {
        if (!this.#stop.signal.aborted)
          this.#options.logger.error({ err: error }, "the disk cannot be watched");
      })
      .finally(() => (this.#checking = undefined));
    return this.#checking;
  }

  /** To be called when a job has met a full disk: checks at once, without the pause. */
  full(): Promise<void> {
    this.#pausedUntil = 0;
    return this.check();
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error("the origin stops"));
    await this.#checking;
    await this.#running;
  }

  async #keepChecking(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await sleep(this.#options.checkMs ?? CHECK_MS, undefined, { signal }).catch(() => undefined);
      if (!signal.aborted) await this.check();
    }
  }

  async #check(): Promise<void> {
    const room = await this.#look();
    if (toFree(room) === 0 || performance.now() < this.#pausedUntil) return;
    const { stateDir, gc, nixTimeout, release, logger, pauseMs = PAUSE_MS } = this.#options;
    logger.info({ why: room.why, free: shown(toFree(room)) }, "the disk is short: making room");
    const aim = toFree(room) + room.room;
    await makeRoom({
      files: stateFiles({ stateDir, idleMs: Math.max(IDLE_MS, 2_000 * nixTimeout) }),
      release,
      gc,
      wanted: async () => aim - (await this.#room(true)).room,
      signal: this.#stop.signal,
    });
    const after = await this.#look(true);
    logger.info({ freed: shown(after.room - room.room), why: after.why }, "made room");
    if (toFree(after) > 0) this.#pausedUntil = performance.now() + pauseMs;
  }

  /** Measures, and reports when the origin begins or ceases to take jobs. */
  async #look(exactly = false): Promise<Room> {
    const room = await this.#room(exactly);
    const { accepting: before } = this.#status;
    const accepting = takesJobs(room, before);
    const reason = `the disk is full: ${room.why}`;
    this.#status = { accepting, freeBytes: room.free, ...(!accepting && { reason }) };
    if (accepting === before) return room;
    const { logger, gc, onStatus } = this.#options;
    if (accepting) logger.info({ why: room.why }, "there is room again: taking jobs");
    else logger.error({ why: room.why, help: gc ? HELP : `${HELP}; ${HELP_GC}` }, FULL);
    onStatus(this.#status);
    return room;
  }

  async #room(exactly: boolean): Promise<Room & { readonly free: number }> {
    const measured = await this.#meter.measure(exactly);
    return { ...roomOf(this.#options.budget, measured), free: measured.fileSystems[0]?.free ?? 0 };
  }
}

const FULL = "the disk is full: this origin takes no jobs until there is room";
const HELP = "free some space, or set another DISK_BUDGET";
const HELP_GC = "Firn does not collect here (DISK_GC=off): run nix-collect-garbage";
