/**
 * Packing: every store path of `shell` tarred, compressed, hashed and put into layers, against
 * pigz and zstd on the same tar in the same run; and the memory of a process that packs a closure
 * of 2.7 GB.
 */
import { createCipheriv } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { execa } from "execa";
import { type CodecName, Codecs } from "../../origin/layers/codecs.ts";
import { closeBlobs, Packer } from "../../origin/layers/pack.ts";
import { Pieces } from "../../origin/layers/pieces.ts";
import type { StorePathInfo } from "../../origin/nix/types.ts";
import { startBucket } from "../origin/layers/local-bucket.ts";
import { removeTree, tempDir } from "../harness/temp.ts";
import type { Report } from "./figures.ts";
import type { BenchOptions, Part } from "./part.ts";
import type { PackProcessInput } from "./pack-process.ts";
import { shellClosure } from "./shell-closure.ts";
import { PIGZ, pigz, type Timed, writeTar, ZSTD, zstd } from "./yardsticks.ts";

const RUNS = 5;
const MEMORY_RUNS = 3;
/**
 * Paths from this NAR size on get a layer of their own here, the rest goes into one: about as the
 * layer plan does.
 */
const OWN_LAYER_BYTES = 4 * 2 ** 20;
const MIB = 2 ** 20;
/** A closure as large as the largest that people pull: 2.7 GB in layers of very different sizes. */
const HUGE_LAYERS = [900, 600, 400, 300, 200, 100, 100, 50, 25, 25];

export const pack: Part = {
  groups: ["pack"],
  needs: [PIGZ, ZSTD],
  async run(options, report) {
    if (options.wanted("pack.shell")) await packShell(options, report);
    if (options.wanted("pack.memory")) await packMemory(options, report);
  },
};

async function packShell({ runs = RUNS, signal }: BenchOptions, report: Report): Promise<void> {
  const closure = await shellClosure();
  const directory = await tempDir("bench-pack");
  const codecs = new Codecs();
  const pieces = new Pieces(codecs, 256 * MIB, availableParallelism());
  try {
    const packer = new Packer({ codecs, pieces, root: "/", spoolDir: join(directory, "spool") });
    const tar = await writeTar(closure, directory);
    const layers = layersOf(closure);
    const packAs = (codec: CodecName): Promise<Timed> => packLayers(packer, layers, [codec]);
    // Everything is read once before anything is timed.
    await packAs("zstd");
    const times: Record<"gzip" | "pigz" | "zstd" | "tool", Timed[]> = {
      gzip: [],
      pigz: [],
      zstd: [],
      tool: [],
    };
    for (let run = 0; run < runs; run++) {
      signal.throwIfAborted();
      times.pigz.push(await pigz(tar));
      times.gzip.push(await packAs("gzip"));
      times.tool.push(await zstd(tar));
      times.zstd.push(await packAs("zstd"));
    }
    const tell = (name: string, ours: readonly Timed[], tool: string, theirs: readonly Timed[]) => {
      for (const [suffix, unit, of] of [
        ["", "s", ({ ms }: Timed) => ms / 1_000],
        [".bytes", "MB", ({ bytes }: Timed) => bytes / 1e6],
      ] as const)
        report({
          name: `${name}${suffix}`,
          unit,
          values: ours.map(of),
          yardstick: { name: tool, values: theirs.map(of) },
        });
    };
    tell("pack.shell", times.gzip, "pigz -6", times.pigz);
    tell("pack.shell.zstd", times.zstd, "zstd -3 -T0", times.tool);
  } finally {
    pieces.close();
    await removeTree(directory);
  }
}

function layersOf(closure: readonly StorePathInfo[]): string[][] {
  const large = closure.filter(({ narSize }) => narSize >= OWN_LAYER_BYTES);
  const rest = closure.filter(({ narSize }) => narSize < OWN_LAYER_BYTES);
  return [...large.map(({ path }) => [path]), rest.map(({ path }) => path)];
}

async function packLayers(
  packer: Packer,
  layers: readonly (readonly string[])[],
  codecs: readonly CodecName[],
): Promise<Timed> {
  const started = performance.now();
  const packing = layers.map(async (storePaths) => {
    const layer = await packer.pack({ storePaths, codecs }, new AbortController().signal);
    closeBlobs(layer);
    return Object.values(layer.blobs).reduce((sum, { size }) => sum + size, 0);
  });
  const sizes = await Promise.all(packing);
  return { ms: performance.now() - started, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

/** Peak resident memory of an origin's packing and uploading, each time as a process of its own. */
async function packMemory(
  { runs = MEMORY_RUNS, signal }: BenchOptions,
  report: Report,
): Promise<void> {
  const directory = await tempDir("bench-memory");
  try {
    const root = join(directory, "root");
    await mkdir(join(root, "nix/store"), { recursive: true });
    for (const [index, mib] of HUGE_LAYERS.entries())
      await pipeline(
        Readable.from(madeUp(mib, index)),
        createWriteStream(join(root, storePath(index))),
      );
    const values: number[] = [];
    for (let run = 0; run < runs; run++) {
      signal.throwIfAborted();
      values.push((await packHuge(root, directory)) / 1e6);
    }
    report({ name: "pack.memory", unit: "MB", values });
  } finally {
    await removeTree(directory);
  }
}

/** Bytes at the peak, with an empty bucket. */
async function packHuge(root: string, directory: string): Promise<number> {
  const bucket = await startBucket();
  try {
    const paths = HUGE_LAYERS.map((mib, index) => ({
      path: storePath(index),
      narHash: `sha256:${String(index).padStart(64, "0")}` as const,
      narSize: mib * MIB,
      references: [],
    }));
    const input: PackProcessInput = { s3: bucket.access, root, cacheDir: directory, paths };
    const program = new URL("pack-process.ts", import.meta.url).pathname;
    const { stdout } = await execa(process.execPath, [program, JSON.stringify(input)]);
    return Number(stdout);
  } finally {
    await bucket.stop();
  }
}

const storePath = (index: number): string =>
  `/nix/store/${String(index).padStart(32, "0")}-made-up`;

/** Half of each MiB does not compress, half does: about as packages are. The same every time. */
function* madeUp(mib: number, seed: number): Generator<Buffer> {
  const noise = createCipheriv("aes-128-ctr", Buffer.alloc(16, seed), Buffer.alloc(16));
  const half = Buffer.alloc(MIB / 2);
  const text = Buffer.alloc(MIB / 2, "the same words again and again\n");
  for (let at = 0; at < mib; at++) yield Buffer.concat([noise.update(half), text]);
}
