import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type DiskBudget,
  type FileSystem,
  roomOf,
  takesJobs,
  toFree,
} from "../../../origin/disk/budget.ts";

const GB = 1e9;
const disk = (size: number, free: number, directory = "/nix/store"): FileSystem => ({
  directory,
  size: size * GB,
  free: free * GB,
});
const room = (budget: DiskBudget, fileSystems: FileSystem[], used?: number) =>
  roomOf(budget, { fileSystems, ...(used === undefined ? {} : { used: used * GB }) });

test("without a budget a tenth of a small disk is kept free, and 5 GB of a large one", () => {
  assert.equal(room({}, [disk(100, 30)]).room, 25 * GB);
  assert.equal(room({}, [disk(1_000, 30)]).room, 25 * GB);
  assert.equal(room({}, [disk(20, 30)]).room, 28 * GB);
  assert.match(room({}, [disk(20, 1)]).why, /\/nix\/store has 1\.0 GB free, and 2\.0 GB are kept/);
});

test("free: the given bytes are kept free, on every file system", () => {
  assert.equal(room({ free: 10 * GB }, [disk(100, 30)]).room, 20 * GB);
  const short = room({ free: 10 * GB }, [disk(100, 30), disk(100, 9, "/state")]);
  assert.equal(short.room, -1 * GB);
  assert.match(short.why, /^\/state/);
});

test("a budget counts what is used, and the disk may be smaller than it", () => {
  assert.equal(room({ used: 50 * GB }, [disk(1_000, 500)], 48).room, 2 * GB);
  assert.equal(room({ used: 50 * GB }, [disk(100, 6)], 10).room, 1 * GB);
  assert.match(room({ used: 50 * GB }, [disk(1_000, 500)], 48).why, /48\.0 GB of 50\.0 GB/);
});

test("it collects below the reserve, until twice the reserve is there", () => {
  const free = (bytes: number): number => toFree(room({ free: 10 * GB }, [disk(100, bytes)]));
  // The reserve is 5 GB above the 10 that are kept free.
  assert.deepEqual([16, 15, 14, 5].map(free), [0, 0, 6 * GB, 15 * GB]);
});

const takes = (bytes: number, before: boolean): boolean =>
  takesJobs(room({ free: 10 * GB }, [disk(100, bytes)]), before);

test("it takes no jobs when nothing is left, and again when half the reserve is", () => {
  assert.deepEqual(
    [11, 10.1, 10, 9].map((bytes) => takes(bytes, true)),
    [true, true, false, false],
  );
  assert.deepEqual(
    [11, 12.4, 12.5].map((bytes) => takes(bytes, false)),
    [false, false, true],
  );
});
