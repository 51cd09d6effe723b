/**
 * How much disk an origin may use, and when it collects and when it takes no more jobs: pure
 * arithmetic over what was measured.
 *
 * `room` is how many bytes may still be written before the budget is used up: of every file system
 * the free bytes above the floor, of an absolute budget what is left of it; the least of them
 * counts. `reserve` is the distance that the origin keeps from there.
 *
 *   room   0        reserve/2       reserve           2 × reserve
 *   ───────┼────────────┼──────────────┼──────────────────┼──────▶
 *    takes no jobs      │  collects,   │   nothing to do  │
 *                 takes jobs again     until there is so much
 *
 * Worked example: a disk of 100 GB without a budget. The floor is 5 GB (the smaller of 5 GB and a
 * tenth), the reserve half of it. The origin collects when less than 7.5 GB are free, until 10 GB
 * are; it takes no jobs at 5 GB, and jobs again at 6.25 GB.
 */

/** `DISK_BUDGET`. Nothing set: only the default floor. */
export interface DiskBudget {
  /** Most bytes of the Nix store and the state directory together. */
  readonly used?: number;
  /** Bytes that stay free on every file system; default: FLOOR_BYTES or FLOOR_SHARE. */
  readonly free?: number;
}

/** What is kept free without an option: one large build, or a tenth of a small disk. */
export const FLOOR_BYTES = 5e9;
export const FLOOR_SHARE = 0.1;
/** The reserve as a share of the floor, and of an absolute budget. */
const RESERVE_OF_FLOOR = 0.5;
const RESERVE_OF_BUDGET = 0.1;

export interface FileSystem {
  readonly directory: string;
  readonly size: number;
  readonly free: number;
}

export interface Measured {
  readonly fileSystems: readonly FileSystem[];
  /** Bytes of the Nix store and the state directory; only with an absolute budget. */
  readonly used?: number;
}

export interface Room {
  readonly room: number;
  readonly reserve: number;
  /**
   * What is short first, for the operator: `/nix/store has 4.1 GB free, and 5.0 GB are kept free`.
   */
  readonly why: string;
}

/** What is left of the budget where the least is left. */
export function roomOf(budget: DiskBudget, { fileSystems, used }: Measured): Room {
  const rooms = fileSystems.map(({ directory, size, free }): Room => {
    const floor = budget.free ?? Math.min(FLOOR_BYTES, size * FLOOR_SHARE);
    return {
      room: free - floor,
      reserve: floor * RESERVE_OF_FLOOR,
      why: `${directory} has ${shown(free)} free, and ${shown(floor)} are kept free`,
    };
  });
  if (budget.used !== undefined && used !== undefined)
    rooms.push({
      room: budget.used - used,
      reserve: budget.used * RESERVE_OF_BUDGET,
      why: `the Nix store and the state directory have ${shown(used)} of ${shown(budget.used)}`,
    });
  // By how many reserves are left, so that a small file system is not hidden by a large one.
  const [least] = rooms.toSorted((a, b) => a.room / a.reserve - b.room / b.reserve);
  if (least === undefined) throw new RangeError("no file system was measured");
  return least;
}

/** Bytes to free now; 0 when there is nothing to do. */
export const toFree = ({ room, reserve }: Room): number =>
  room < reserve ? 2 * reserve - room : 0;

/** Whether to take jobs. Between the two limits it does not change, so that it does not flap. */
export const takesJobs = ({ room, reserve }: Room, before: boolean): boolean =>
  before ? room > 0 : room >= reserve / 2;

/** `4.1 GB`. */
export const shown = (bytes: number): string =>
  bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.max(0, bytes / 1e6).toFixed(1)} MB`;
