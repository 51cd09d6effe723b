/**
 * gzip by the system's libdeflate, in a third of zlib's time and with a smaller result. koffi calls
 * it on Node's thread pool (UV_THREADPOOL_SIZE), so several pieces are compressed at once.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { execa } from "execa";
import koffi, { type LibraryHandle } from "koffi";

/** Its name for the system's loader. */
const SONAME = "libdeflate.so.0";

/** The state of a compressor, in memory of the library. It takes one call at a time. */
export type Compressor = unknown;

export interface Libdeflate {
  /** Such as `libdeflate 1.14`: compressed bytes may differ between versions. */
  readonly version: Promise<string>;
  allocate(level: number): Compressor;
  free(compressor: Compressor): void;
  /** The size of the largest possible gzip member for so many bytes. */
  bound(bytes: number): number;
  /**
   * Compresses `input` into one gzip member (RFC 1952) at the start of `output`, on a thread of the
   * pool; resolves to its length. `output` must have `bound(input.length)` bytes.
   */
  gzip(compressor: Compressor, input: Buffer, output: Buffer): Promise<number>;
}

/**
 * Loads the library. `file`: its path, if the system's loader does not find it. Throws an Error
 * that says how to install it.
 */
export function loadLibdeflate(file: string = SONAME): Libdeflate {
  const library = open(file);
  const alloc = library.func("void *libdeflate_alloc_compressor(int level)");
  const free = library.func("void libdeflate_free_compressor(void *compressor)");
  const bound = library.func("size_t libdeflate_gzip_compress_bound(void *compressor, size_t n)");
  const compress = library.func(
    "size_t libdeflate_gzip_compress(void *compressor, const void *in, size_t n, void *out, size_t max)",
  );
  const version = versionOf(file);
  // An error is thrown to whoever awaits it later.
  version.catch(() => undefined);
  return {
    version,
    allocate(level) {
      const compressor: Compressor = alloc(level);
      if (compressor === null) throw new Error("libdeflate: no memory for a compressor");
      return compressor;
    },
    free: (compressor) => void free(compressor),
    bound: (bytes) => Number(bound(null, bytes)),
    gzip: (compressor, input, output) =>
      new Promise((resolve, reject) => {
        const done = (error: Error | null, length: number | bigint): void => {
          if (error !== null) reject(error);
          else if (Number(length) === 0) reject(new Error("libdeflate: the output has no room"));
          else resolve(Number(length));
        };
        compress.async(compressor, input, input.length, output, output.length, done);
      }),
  };
}

/** Whether it can be loaded, from LIBDEFLATE or by the system's loader. */
export function libdeflateIsThere(): boolean {
  try {
    open(process.env["LIBDEFLATE"] ?? SONAME).unload();
    return true;
  } catch {
    return false;
  }
}

function open(file: string): LibraryHandle {
  try {
    return koffi.load(file);
  } catch (error) {
    throw new Error(
      `libdeflate cannot be loaded (${(error as Error).message}): install it (Debian, Ubuntu: ` +
        `apt-get install libdeflate0; Fedora, Arch, Alpine, Nix: libdeflate), or set ` +
        `LIBDEFLATE to the path of ${SONAME}`,
      { cause: error },
    );
  }
}

/**
 * The library's version, for which it has no call: from its store path, from Debian's package
 * database, or else the hash of the library.
 */
async function versionOf(file: string): Promise<string> {
  const path = (await loadedPath()) ?? file;
  const inPath = /\blibdeflate-(\d+(?:\.\d+)+)/.exec(path)?.[1];
  if (inPath !== undefined) return `libdeflate ${inPath}`;
  const { stdout } = await execa(
    "dpkg-query",
    ["--show", "--showformat=${source:Upstream-Version}\\n", "libdeflate0"],
    { reject: false },
  );
  // One line for each architecture that it is installed for.
  const [packaged = ""] = (stdout ?? "").split("\n");
  if (file === SONAME && /^\d+(\.\d+)+$/.test(packaged)) return `libdeflate ${packaged}`;
  const hash = createHash("sha256").update(await readFile(path));
  return `libdeflate sha256:${hash.digest("hex").slice(0, 16)}`;
}

/** The path of the loaded library. */
async function loadedPath(): Promise<string | undefined> {
  const maps = await readFile("/proc/self/maps", "utf8").catch(() => "");
  return /\S*\/libdeflate[^/\s]*\.so\S*/.exec(maps)?.[0];
}
