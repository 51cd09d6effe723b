/**
 * The member cache: each store path is packed once, what is damaged is made again, processes share
 * it, it stays within its limit, and a full disk loses nothing.
 */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { MemberCache } from "../../../origin/layers/cache.ts";
import { closeBlobs, Packer } from "../../../origin/layers/pack.ts";
import { TaskError, Workers } from "../../../origin/layers/workers.ts";
import type { StorePathInfo } from "../../../origin/nix/types.ts";
import { LocalStore, noise, prose } from "./local-store.ts";

let store: LocalStore;
let workers: Workers;
before(() => {
  store = new LocalStore();
  workers = new Workers(2);
});
after(async () => {
  await workers.close();
  store.remove();
});

const never = new AbortController().signal;
const CODECS = ["gzip", "zstd"] as const;

function packerOn(cacheDir: string, cacheBytes = 2 ** 30): Packer {
  return new Packer({
    cache: new MemberCache(join(cacheDir, "members"), cacheBytes),
    workers,
    root: store.root,
    spoolDir: join(cacheDir, "spool"),
  });
}

async function pack(
  packer: Packer,
  paths: readonly StorePathInfo[],
): Promise<{ digests: unknown; madeBytes: number }> {
  await packer.prepare(paths, CODECS, never);
  const layer = await packer.assemble(paths, CODECS, never);
  closeBlobs(layer);
  return {
    digests: [layer.diffId, layer.blobs.gzip?.digest, layer.blobs.zstd?.digest],
    madeBytes: layer.madeBytes,
  };
}

function members(cacheDir: string): string[] {
  if (!existsSync(join(cacheDir, "members"))) return [];
  return readdirSync(join(cacheDir, "members"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

const bytesOf = (files: readonly string[]): number =>
  files.reduce((sum, file) => sum + statSync(file).size, 0);

test("a store path is packed once, and other layers are cut from the same members", async () => {
  const paths = [
    store.add("once-a", { data: prose(600_000) }),
    store.add("once-b", { data: prose(5_000, 2) }),
  ];
  const cacheDir = join(store.scratch, "once");
  await pack(packerOn(cacheDir), [paths[0] as StorePathInfo]);
  await pack(packerOn(cacheDir), [paths[1] as StorePathInfo]);
  const made = members(cacheDir).map((file) => [file, statSync(file).ino]);
  assert.equal(made.length, 4);
  assert.equal((await pack(packerOn(cacheDir), paths)).madeBytes, 0);
  assert.deepEqual(
    members(cacheDir).map((file) => [file, statSync(file).ino]),
    made,
  );
});

test("another NAR hash is another member", async () => {
  const path = store.add("rebuilt", { data: "1" });
  const cacheDir = join(store.scratch, "rebuilt");
  await pack(packerOn(cacheDir), [path]);
  await pack(packerOn(cacheDir), [{ ...path, narHash: `sha256:${"1".repeat(64)}` }]);
  assert.equal(members(cacheDir).length, 4);
});

for (const [what, damage] of [
  ["a changed byte", (file: string) => writeFileSync(file, flip(readFileSync(file), 1_000))],
  [
    "a changed byte of its trailer",
    (file: string) => writeFileSync(file, flip(readFileSync(file), statSync(file).size - 30)),
  ],
  ["a lost end", (file: string) => truncateSync(file, statSync(file).size - 100)],
  ["no content", (file: string) => truncateSync(file, 0)],
  [
    "zeros, as after a power cut",
    (file: string) => writeFileSync(file, Buffer.alloc(statSync(file).size)),
  ],
] as const) {
  test(`a member with ${what} is found and made again`, async () => {
    const name = `damaged ${what}`.replaceAll(/[^a-z]+/g, "-");
    const paths = [
      store.add(`${name}-before`, { data: "0" }),
      store.add(name, { data: prose(300_000, 9) }),
      store.add(`${name}-after`, { data: "2" }),
    ];
    const cacheDir = join(store.scratch, name);
    const packer = packerOn(cacheDir);
    const right = await pack(packer, paths);
    const before = members(cacheDir).map((file) => readFileSync(file));
    for (const file of members(cacheDir)) if (statSync(file).size > 2_000) damage(file);
    const again = await pack(packer, paths);
    assert.deepEqual(again.digests, right.digests);
    assert.ok(again.madeBytes > 0);
    assert.deepEqual(
      members(cacheDir).map((file) => readFileSync(file)),
      before,
    );
  });
}

test("a whole member of another tar is not taken for this one's", async () => {
  const [path, other] = [
    store.add("mixed-a", { data: "aaaa" }),
    store.add("mixed-b", { data: "bbbb" }),
  ];
  const [cacheDir, otherDir] = [
    join(store.scratch, "mixed-a-cache"),
    join(store.scratch, "mixed-b-cache"),
  ];
  const right = await pack(packerOn(cacheDir), [path]);
  await pack(packerOn(otherDir), [other]);
  for (const codec of CODECS) {
    const [to, from] = [cacheDir, otherDir].map(
      (directory) => members(directory).find((file) => file.endsWith(codec)) as string,
    ) as [string, string];
    writeFileSync(to, readFileSync(from));
  }
  assert.deepEqual((await pack(packerOn(cacheDir), [path])).digests, right.digests);
});

test("the cache keeps to its limit, and what was used last stays", async () => {
  const cacheDir = join(store.scratch, "limit");
  const limit = 1_000_000;
  const packer = packerOn(cacheDir, limit);
  const paths = Array.from({ length: 12 }, (_, index) =>
    store.add(`limit-${index}`, { data: noise(100_000, `limit ${index}`) }),
  );
  for (const path of paths) {
    await pack(packer, [path]);
    assert.ok(bytesOf(members(cacheDir)) <= limit);
  }
  assert.equal((await pack(packer, paths.slice(-2))).madeBytes, 0);
  const kept = members(cacheDir);
  await pack(packer, [paths[0] as StorePathInfo]);
  assert.ok(members(cacheDir).some((file) => !kept.includes(file)));
});

test("a layer larger than the whole cache is made all the same", async () => {
  const paths = Array.from({ length: 6 }, (_, index) =>
    store.add(`over-${index}`, { data: noise(200_000, `over ${index}`) }),
  );
  const [small, large] = [
    await pack(packerOn(join(store.scratch, "over-small"), 300_000), paths),
    await pack(packerOn(join(store.scratch, "over-large")), paths),
  ];
  assert.deepEqual(small.digests, large.digests);
});

test("what a process that died left unfinished goes, what is being written stays", async () => {
  const cacheDir = join(store.scratch, "left");
  const directory = join(cacheDir, "members", "ab");
  mkdirSync(directory, { recursive: true });
  const [old, young] = [join(directory, "old.part"), join(directory, "young.part")];
  for (const file of [old, young]) writeFileSync(file, "x");
  utimesSync(old, 1_000, 1_000);
  await pack(packerOn(cacheDir), [store.add("left", { data: "1" })]);
  assert.ok(!members(cacheDir).includes(old));
  assert.ok(members(cacheDir).includes(young));
});

test("several processes share one cache, too small for what they do, and get the same layers", async () => {
  const paths = Array.from({ length: 8 }, (_, index) =>
    store.add(`shared-${index}`, {
      data: prose(150_000, index),
      more: noise(50_000, `shared ${index}`),
    }),
  );
  const cacheDir = join(store.scratch, "shared");
  const input = JSON.stringify({
    root: store.root,
    cacheDir,
    cacheBytes: 500_000,
    rounds: 4,
    paths,
  });
  const program = new URL("pack-process.ts", import.meta.url).pathname;
  const outputs = await Promise.all(
    [1, 2, 3].map(() => promisify(execFile)(process.execPath, [program, input])),
  );
  const lines = outputs.flatMap(({ stdout }) => stdout.trimEnd().split("\n"));
  assert.equal(lines.length, 12);
  assert.equal(new Set(lines).size, 1);
  assert.deepEqual(
    members(cacheDir).filter((file) => file.endsWith(".part")),
    [],
  );
});

test("a full disk is an error that names it, leaves nothing unfinished, and is over when there is room", async (context) => {
  const disk = join(store.scratch, "disk");
  mkdirSync(disk);
  if (!mount(context, disk)) return;
  try {
    const path = store.add("full", { data: noise(6_000_000, "full") });
    const packer = packerOn(disk);
    await assert.rejects(
      pack(packer, [path]),
      (error: unknown) => error instanceof TaskError && error.code === "ENOSPC",
    );
    assert.deepEqual(members(disk), []);
    execFileSync("mount", ["-o", "remount,size=64m", disk]);
    await pack(packer, [path]);
  } finally {
    execFileSync("umount", [disk]);
  }
});

/** A disk of 4 MiB; skips the test where this user may not mount one. */
function mount(context: TestContext, directory: string): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", directory], { stdio: "pipe" });
    return true;
  } catch (error) {
    if (process.env["CI"] === "true") throw error;
    context.skip("needs root, to mount a small disk");
    return false;
  }
}

test(
  "work that nobody wants any more ends, running or queued, and leaves nothing",
  { timeout: 60_000 },
  async () => {
    const cacheDir = join(store.scratch, "cancelled");
    const packer = packerOn(cacheDir);
    const paths = Array.from({ length: 6 }, (_, index) =>
      store.add(`cancelled-${index}`, { data: prose(9_000_000, index) }),
    );
    const leaving = new AbortController();
    const work = packer.prepare(paths, CODECS, leaving.signal);
    while (!members(cacheDir).some((file) => file.endsWith(".part"))) await delay(1);
    leaving.abort(new Error("gone"));
    await assert.rejects(work, /gone/);
    // A frame that is being compressed is finished first.
    while (members(cacheDir).some((file) => file.endsWith(".part"))) await delay(10);
    await pack(packer, [store.add("cancelled-then", { data: "1" })]);
  },
);

function flip(bytes: Buffer, at: number): Buffer {
  bytes[at] = (bytes[at] as number) ^ 0xff;
  return bytes;
}
