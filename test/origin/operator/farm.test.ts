/** The farm as `firn farm` shows it: words, columns, durations and sizes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type FarmView, NO_TALLY } from "../../../edge/contract/farm-state.ts";
import { shownFarm } from "../../../origin/operator/farm.ts";
import { cut, duration, plain, size, table } from "../../../origin/operator/table.ts";

test("durations are told in the largest units that matter", () => {
  const told = [-3, 0, 59.4, 59.6, 240, 3_600, 11_100, 86_400, 180_000].map(duration);
  assert.deepEqual(told, [
    "0 s",
    "0 s",
    "59 s",
    "1 min",
    "4 min",
    "1 h",
    "3 h 5 min",
    "1 d",
    "2 d 2 h",
  ]);
});

test("sizes have three digits at most", () => {
  const told = [0, 999, 1_000, 1_550, 99_900, 120e9, 5.25e12].map(size);
  assert.deepEqual(told, ["0 B", "999 B", "1.0 kB", "1.6 kB", "99 kB", "120 GB", "5.3 TB"]);
});

test("columns are as wide as their widest cell", () => {
  assert.deepEqual(
    table(
      [
        ["A", "B"],
        ["long", "1"],
        ["x", "200"],
      ],
      [1],
    ),
    ["A       B", "long    1", "x     200"],
  );
});

test("nothing that a terminal obeys is shown, and no line is too wide", () => {
  assert.equal(plain("a\u001b[31mred\u001b[0m\r\nb\u009b"), "a [31mred [0m b");
  assert.equal(cut("abcdef", 4), "abc…");
  assert.equal(cut("abcd", 4), "abcd");
});

const AT = Date.UTC(2026, 0, 31, 12);
const ORIGIN: FarmView["origins"][number] = {
  region: "weur",
  name: "rack-1",
  state: "connected",
  reason: null,
  connected: true,
  seen: AT - 4_000,
  restUntil: null,
  onTrial: false,
  failures: 0,
  slots: 4,
  jobs: { tags: 0, packages: 3 },
  systems: ["x86_64-linux"],
  features: [],
  version: "0.1.0",
  nix: "2.28.3",
  sandbox: true,
  freeBytes: 120e9,
};
const states = {
  revoked: 0,
  drained: 0,
  gone: 1,
  waiting: 0,
  leaving: 0,
  full: 1,
  rested: 0,
  connected: 1,
};
const region = (name: string, reachable = true): FarmView["regions"][number] => ({
  region: name,
  reachable,
  origins: { connected: 2, slots: 4, states },
  queued: { tags: 0, packages: 12 },
  jobs: { tags: 1, packages: 3 },
  tally: NO_TALLY,
  uploadedToday: 4.2e9,
});
const done = { kind: "package", system: "x86_64-linux", result: "done", message: "" } as const;
const FARM: FarmView = {
  at: AT,
  regions: [region("weur"), region("enam", false)],
  origins: [
    ORIGIN,
    {
      ...ORIGIN,
      name: "rack-2",
      state: "full",
      reason: "1 GB\nleft",
      jobs: { tags: 0, packages: 0 },
    },
    { ...ORIGIN, name: "rack-3", state: "rested", restUntil: AT + 252_000, onTrial: true },
    { ...ORIGIN, name: "rack-4", state: "drained", connected: false },
    { ...ORIGIN, name: "rack-5", state: "gone", seen: null, slots: 0, sandbox: null, nix: null },
  ],
  builds: [
    {
      region: "weur",
      at: AT - 12_000,
      origin: "rack-1",
      seconds: 34.4,
      items: [
        { ...done, name: "git" },
        { ...done, name: "curl", system: "aarch64-linux" },
        { ...done, kind: "index", name: "" },
        { ...done, kind: "tag", name: "latest", system: null },
      ],
    },
  ],
  failures: [
    {
      region: "weur",
      at: AT - 90_000,
      origin: null,
      seconds: null,
      items: [{ ...done, name: "hello", result: "failed", message: "exit\n\u001b[31m1" }],
    },
  ],
};

test("the whole farm", () => {
  assert.deepEqual(shownFarm(FARM, "firn.example", Infinity), [
    "firn.example  2026-01-31 12:00:00 UTC",
    "",
    "REGION  CONNECTED                 SLOTS USED  QUEUED  TAG JOBS  TAGS QUEUED  UPLOADED TODAY",
    "weur    2 of 3                        3 of 4      12         1            0          4.2 GB",
    "enam    its farm does not answer",
    "",
    "ORIGIN  REGION  STATE                   SLOTS USED  HEARD OF  FREE DISK  FIRN   NIX     SANDBOX  SYSTEMS",
    "rack-1  weur    connected                   3 of 4   4 s ago     120 GB  0.1.0  2.28.3  yes      x86_64",
    "rack-2  weur    disk full                   0 of 4   4 s ago     120 GB  0.1.0  2.28.3  yes      x86_64",
    "  1 GB left",
    "rack-3  weur    at rest, 4 min more         3 of 4   4 s ago     120 GB  0.1.0  2.28.3  yes      x86_64",
    "rack-4  weur    drained, not connected      3 of 4   4 s ago     120 GB  0.1.0  2.28.3  yes      x86_64",
    "rack-5  weur    not connected                    –         –     120 GB  0.1.0  –       –        x86_64",
    "",
    "LATEST BUILDS  REGION  ORIGIN  TOOK",
    "12 s ago       weur    rack-1  34 s  git, curl (arm64), all names, tag latest",
    "",
    "LATEST FAILURES  REGION  ORIGIN     TOOK",
    "1 min ago        weur    no origin     –  hello: failed, exit [31m1",
  ]);
  assert.ok(shownFarm(FARM, "firn.example", 60).every((line) => line.length <= 60));
});

test("a farm without origins says why", () => {
  const lines = shownFarm({ ...FARM, origins: [], builds: [], failures: [] }, "firn.example", 100);
  assert.equal(lines.at(-1), "No origin: ORIGINS names none.");
});
