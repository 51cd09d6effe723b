/**
 * How much disk an origin may use: when it collects garbage, and when it takes no jobs. Pure.
 *
 * `room` is the number of bytes that may still be written. For a file system it is what is free
 * above the floor, for an absolute budget (`DISK_BUDGET=50G`) what is left of it; the smallest
 * counts. `reserve` is the room that the origin tries to have.
 *
 *   room   0        reserve/2       reserve           2 × reserve
 *   ───────┼────────────┼──────────────┼──────────────────┼──────▶
 *    takes no jobs      │   collects   │   nothing to do  │
 *                 takes jobs again              collects up to here
 *
 * Worked example: a disk of 100 GB without a budget. The floor is 5 GB (the smaller of 5 GB and a
 * tenth of the disk), the reserve half of that. The origin collects when less than 7.5 GB are free,
 * until 10 GB are. It takes no jobs from 5 GB down, and jobs again from 6.25 GB up.
 */

/** `DISK_BUDGET`; empty: the default floor alone. */
export interface DiskBudget {
  /** Most bytes of the Nix store and the state directory together. */
  readonly used?: number;
  /** Bytes to keep free on every file system; default: FLOOR_BYTES or FLOOR_SHARE. */
  readonly free?: number;
}

/** The default floor is the smaller of these: bytes for one large build, a share of the disk. */
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
  /** For the operator: `/nix/store has 4.1 GB free, and 5.0 GB are kept free`. */
  readonly why: string;
}

/** The room of the file system or budget that has the least, in proportion to its reserve. */
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
  const [least] = rooms.toSorted((a, b) => a.room / a.reserve - b.room / b.reserve);
  if (least === undefined) throw new RangeError("no file system was measured");
  return least;
}

/** Bytes to free now; 0 when there is enough room. */
export const toFree = ({ room, reserve }: Room): number =>
  room < reserve ? 2 * reserve - room : 0;

/** Whether to take jobs. Between the two limits the answer stays as it was `before`. */
export const takesJobs = ({ room, reserve }: Room, before: boolean): boolean =>
  before ? room > 0 : room >= reserve / 2;

/** Bytes as text: `4.1 GB`. */
export const shown = (bytes: number): string =>
  bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.max(0, bytes / 1e6).toFixed(1)} MB`;
