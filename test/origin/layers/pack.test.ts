/**
 * Packing on this machine: pieces of one store path go to all compressors, memory is bounded, a
 * full disk and a cancelled job leave nothing, a damaged temporary file is never a blob.
 */
import assert from "node:assert/strict";
import { ftruncateSync, readdirSync, readlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { blobPath } from "../../../edge/contract/keys.ts";
import { TEXT } from "../../../edge/contract/media-types.ts";
import { OwnBucket } from "../../../origin/layers/own-bucket.ts";
import { Codecs, PIECE_BYTES, PIECE_MEMORY } from "../../../origin/layers/codecs.ts";
import { loadLibdeflate } from "../../../origin/layers/libdeflate.ts";
import { closeBlobs, Packer } from "../../../origin/layers/pack.ts";
import { Pieces } from "../../../origin/layers/pieces.ts";
import { removeTree } from "../../harness/temp.ts";
import { mountSmall, smallMountUnavailable } from "../disk/small-mount.ts";
import { edgeRequests } from "./edge-requests.ts";
import { type LocalBucket, startBucket } from "./local-bucket.ts";
import { LocalStore, noise, prose } from "./local-store.ts";

let store: LocalStore;
let bucket: LocalBucket;
before(async () => {
  store = new LocalStore();
  bucket = await startBucket();
});
after(async () => {
  store.remove();
  await bucket.stop();
});

const never = new AbortController().signal;
const GZIP = ["gzip"] as const;
const BOTH = ["gzip", "zstd"] as const;
const codecs = new Codecs();

/** Counts what is compressed at once. */
class CountingCodecs extends Codecs {
  running = 0;
  most = 0;
  onStart = (): void => undefined;

  override async compress(...args: Parameters<Codecs["compress"]>): Promise<Buffer> {
    this.most = Math.max(this.most, ++this.running);
    this.onStart();
    return super.compress(...args).finally(() => this.running--);
  }
}

/** Its compressor fails at one of the pieces. */
class FailingCodecs extends Codecs {
  readonly #at: number;
  #pieces = 0;

  constructor(at: number) {
    super();
    this.#at = at;
  }

  override async compress(...args: Parameters<Codecs["compress"]>): Promise<Buffer> {
    const member = await super.compress(...args);
    if (this.#pieces++ === this.#at) throw new Error("no memory");
    return member;
  }
}

function packer(options: { with?: Codecs; pieces?: Pieces; spoolDir?: string } = {}): Packer {
  const { with: used = codecs, spoolDir = join(store.scratch, "spool") } = options;
  const pieces = options.pieces ?? new Pieces(used, 2 ** 30, 2);
  return new Packer({ codecs: used, pieces, root: store.root, spoolDir });
}

/** Temporary files of ours that are open. */
function openFiles(spoolDir: string): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target.startsWith(spoolDir) ? [target] : [];
    } catch {
      return [];
    }
  });
}

test("a piece that cannot be compressed fails the layer, wherever it is: nothing is left out", async () => {
  const { path } = store.add("failing", { data: prose(4_000_000) });
  for (const at of [0, 2, 3]) {
    const failing = new FailingCodecs(at);
    const pieces = new Pieces(failing, 2 ** 30, 2);
    const spoolDir = join(store.scratch, `failing-${at}`);
    const packing = packer({ with: failing, pieces, spoolDir }).pack(
      { storePaths: [path], codecs: GZIP },
      never,
    );
    await assert.rejects(packing, /no memory/);
    assert.deepEqual(openFiles(spoolDir), []);
    assert.equal(pieces.lent, 0);
  }
});

test("pieces of one store path are compressed at once, as many as there are threads", async () => {
  const { path } = store.add("one", { data: prose(9_000_000) });
  for (const threads of [2, 4]) {
    const counting = new CountingCodecs();
    const using = packer({ with: counting, pieces: new Pieces(counting, 2 ** 30, threads) });
    closeBlobs(await using.pack({ storePaths: [path], codecs: GZIP }, never));
    assert.ok(counting.most >= threads, `${counting.most} pieces at once on ${threads} threads`);
  }
});

test("PACK_MEMORY bounds the pieces in hand, over all layers", async () => {
  const paths = ["a", "b", "c"].map(
    (name) => store.add(`memory-${name}`, { data: prose(6_000_000) }).path,
  );
  for (const affordable of [1, 3]) {
    const counting = new CountingCodecs();
    const pieces = new Pieces(counting, affordable * PIECE_MEMORY + 1, 16);
    const using = packer({ with: counting, pieces });
    const packing = paths.map((path) => using.pack({ storePaths: [path], codecs: GZIP }, never));
    for (const layer of await Promise.all(packing)) closeBlobs(layer);
    assert.equal(pieces.peak, affordable);
    assert.ok(counting.most <= affordable);
  }
});

test("a piece in memory that is too small for one is used all the same", async () => {
  const { path } = store.add("little-memory", { data: prose(2_500_000) });
  const using = packer({ pieces: new Pieces(codecs, 1, 16) });
  const layer = await using.pack({ storePaths: [path], codecs: BOTH }, never);
  assert.equal(layer.blobs.gzip?.members.length, 3);
  closeBlobs(layer);
});

test("bytes that do not compress grow by next to nothing", async () => {
  const { path } = store.add("noise", { data: noise(4 * PIECE_BYTES) });
  const layer = await packer().pack({ storePaths: [path], codecs: BOTH }, never);
  for (const blob of Object.values(layer.blobs))
    assert.ok(blob.size < 4 * PIECE_BYTES * 1.001, String(blob.size));
  closeBlobs(layer);
});

test(
  "a full disk is an error that names it, leaves nothing, and passes",
  { skip: await smallMountUnavailable() },
  async () => {
    const directory = join(store.scratch, "disk");
    const disk = await mountSmall(directory, "4m");
    try {
      const { path } = store.add("full", { data: noise(40_000_000, "full") });
      const pieces = new Pieces(codecs, 2 ** 30, 2);
      const using = packer({ spoolDir: directory, pieces });
      const request = { storePaths: [path], codecs: BOTH };
      await assert.rejects(using.pack(request, never), { code: "ENOSPC" });
      assert.deepEqual([readdirSync(directory), openFiles(directory), pieces.lent], [[], [], 0]);
      await disk.resize("200m");
      closeBlobs(await using.pack(request, never));
    } finally {
      await removeTree(directory);
    }
  },
);

test("a cancelled job ends before the store path does, and leaves nothing", async () => {
  const { path } = store.add("cancelled", { data: prose(30_000_000) });
  const counting = new CountingCodecs();
  const pieces = new Pieces(counting, 2 ** 30, 2);
  const spoolDir = join(store.scratch, "cancelled");
  const using = packer({ with: counting, pieces, spoolDir });
  const leaving = new AbortController();
  let started = 0;
  counting.onStart = () => {
    if (++started === 5) leaving.abort(new Error("gone"));
  };
  const request = { storePaths: [path], codecs: GZIP };
  await assert.rejects(using.pack(request, leaving.signal), /gone/);
  assert.equal(started, 5);
  assert.deepEqual([readdirSync(spoolDir), openFiles(spoolDir), pieces.lent], [[], [], 0]);
  counting.onStart = () => undefined;
  closeBlobs(await using.pack(request, never));
});

for (const [what, partBytes] of [
  ["in one request", 64 * 2 ** 20],
  ["in parts", 5 * 2 ** 20],
] as const)
  for (const [how, damage] of [
    ["lost its end", (fd: number, size: number) => ftruncateSync(fd, size - 1)],
    ["has another byte", (fd: number) => writeSync(fd, "x", 6_000_000)],
  ] as const)
    test(`a temporary file that ${how} is never a blob: sent ${what}`, async () => {
      const own = new OwnBucket(bucket.access, { retryMs: 0, partBytes, onRetry: () => {} });
      const to = own.of(edgeRequests(bucket.access));
      const { path } = store.add(`damaged-${what}-${how}`.replaceAll(" ", "-"), {
        data: noise(12_000_000, how),
      });
      const layer = await packer().pack({ storePaths: [path], codecs: GZIP }, never);
      const blob = layer.blobs.gzip;
      assert.ok(blob);
      try {
        damage(blob.fd, blob.size);
        const { digest, size, fd } = blob;
        await assert.rejects(
          to.put({ digest, size, content: { fd }, contentType: TEXT }, never),
          /does not hold what was written to it/,
        );
        assert.ok(!(await bucket.keys()).includes(blobPath(digest)));
      } finally {
        closeBlobs(layer);
        own.close();
      }
    });

test("a libdeflate that is not there is an error that says what to install", () => {
  assert.throws(
    () => loadLibdeflate("/nowhere/libdeflate.so.0"),
    /libdeflate cannot be loaded.*apt-get install libdeflate0.*LIBDEFLATE/,
  );
});
