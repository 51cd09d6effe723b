/**
 * Packing against the tools that set its limits, on the same tar in the same run:
 *
 *   pack.shell     every store path tarred, compressed, hashed, put into layers; nothing cached     : pigz -6, and zstd -3 -T0 for zstd
 *   repack.shell   the same layers again from the member cache                                      : sha256sum
 *
 * Each is a ratio of wall times, the best of ROUNDS; below 1 is faster than the tool. `bytes` is a
 * ratio of sizes.
 */
import { spawn } from "node:child_process";
import { openSync, closeSync } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { MemberCache } from "../../origin/layers/cache.ts";
import type { CodecName } from "../../origin/layers/codecs.ts";
import { closeBlobs, Packer } from "../../origin/layers/pack.ts";
import { Workers } from "../../origin/layers/workers.ts";
import type { StorePathInfo } from "../../origin/nix/types.ts";

export interface Measurement {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

export interface PackBenchOptions {
  /** Directory that /nix/store lies in; `/` when left out. */
  readonly root?: string;
}

/** Best of so many: other work on the machine only ever adds time. */
const ROUNDS = 5;
/**
 * Paths from this NAR size on get a layer of their own here, the rest goes into one: about as the
 * layer plan does.
 */
const OWN_LAYER_BYTES = 2 * 2 ** 20;

const never = new AbortController().signal;

/** `closure`: all store paths that `shell` needs. */
export async function* packBench(
  closure: readonly StorePathInfo[],
  { root = "/" }: PackBenchOptions = {},
): AsyncGenerator<Measurement, void, void> {
  const directory = await mkdtemp(join(tmpdir(), "firn-bench-pack-"));
  try {
    const tar = join(directory, "closure.tar");
    await run("tar", [
      "-C",
      root,
      "--sort=name",
      "-cf",
      tar,
      ...closure.map(({ path }) => path.slice(1)).sort(),
    ]);
    const layers = layersOf(closure);
    const workers = new Workers(availableParallelism());
    try {
      const fastest: Record<string, { ms: number; bytes: number }> = {};
      const note = (name: string, result: { ms: number; bytes: number }): void => {
        if (result.ms < (fastest[name]?.ms ?? Infinity)) fastest[name] = result;
      };
      // Everything is read once before anything is timed.
      await run("sha256sum", [tar]);
      for (let round = 0; round < ROUNDS; round++) {
        note("sha256sum", await tool("sha256sum", [tar], join(directory, "out")));
        note("pigz", await tool("pigz", ["-6", "-c", tar], join(directory, "out")));
        note("zstd", await tool("zstd", ["-3", "-T0", "-q", "-c", tar], join(directory, "out")));
        for (const codecs of [["gzip"], ["zstd"]] as const) {
          const cacheDir = join(directory, `cache-${round}-${codecs.join()}`);
          const packer = new Packer({
            cache: new MemberCache(cacheDir, Number.MAX_SAFE_INTEGER),
            workers,
            root,
            spoolDir: join(directory, "spool"),
          });
          note(`pack.${codecs[0]}`, await pack(packer, layers, codecs));
          note(`repack.${codecs[0]}`, await pack(packer, layers, codecs));
          await rm(cacheDir, { recursive: true });
        }
      }
      const ratio = (name: string, by: string, figure: "ms" | "bytes"): number =>
        round((fastest[name]?.[figure] ?? NaN) / (fastest[by]?.[figure] ?? NaN));
      yield { name: "pack.shell.tar", value: (await stat(tar)).size, unit: "bytes" };
      yield { name: "pack.shell", value: ratio("pack.gzip", "pigz", "ms"), unit: "× pigz -6" };
      yield {
        name: "pack.shell.bytes",
        value: ratio("pack.gzip", "pigz", "bytes"),
        unit: "× pigz -6",
      };
      yield {
        name: "pack.shell.zstd",
        value: ratio("pack.zstd", "zstd", "ms"),
        unit: "× zstd -3 -T0",
      };
      yield {
        name: "pack.shell.zstd.bytes",
        value: ratio("pack.zstd", "zstd", "bytes"),
        unit: "× zstd -3 -T0",
      };
      yield {
        name: "repack.shell",
        value: ratio("repack.gzip", "sha256sum", "ms"),
        unit: "× sha256sum",
      };
      for (const [name, { ms }] of Object.entries(fastest))
        yield { name: `pack.shell.time.${name}`, value: round(ms), unit: "ms" };
    } finally {
      await workers.close();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function layersOf(closure: readonly StorePathInfo[]): StorePathInfo[][] {
  const rest = closure.filter(({ narSize }) => narSize < OWN_LAYER_BYTES);
  return [
    ...closure.filter(({ narSize }) => narSize >= OWN_LAYER_BYTES).map((info) => [info]),
    ...(rest.length > 0 ? [rest] : []),
  ];
}

async function pack(
  packer: Packer,
  layers: readonly StorePathInfo[][],
  codecs: readonly CodecName[],
): Promise<{ ms: number; bytes: number }> {
  const started = performance.now();
  const sizes = await Promise.all(
    layers.map(async (paths) => {
      await packer.prepare(paths, codecs, never);
      const layer = await packer.assemble(paths, codecs, never);
      closeBlobs(layer);
      return Object.values(layer.blobs).reduce((sum, { size }) => sum + size, 0);
    }),
  );
  return { ms: performance.now() - started, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

async function tool(
  command: string,
  args: readonly string[],
  output: string,
): Promise<{ ms: number; bytes: number }> {
  const started = performance.now();
  await run(command, args, output);
  return { ms: performance.now() - started, bytes: (await stat(output)).size };
}

async function run(command: string, args: readonly string[], output = "/dev/null"): Promise<void> {
  const fd = openSync(output, "w");
  try {
    const child = spawn(command, args, { stdio: ["ignore", fd, "inherit"] });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    child.once("error", reject);
    child.once("exit", (code, signal) =>
      code === 0 ? resolve() : reject(new Error(`${command} ended with ${signal ?? code}`)),
    );
    await promise;
  } finally {
    closeSync(fd);
  }
}

const round = (value: number): number => Math.round(value * 1_000) / 1_000;
