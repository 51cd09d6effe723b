/**
 * How one nix-build uses the farm's binary cache: its options, what it built by itself, and whether
 * the cache made it fail. When a substituter announces a store path and then fails to deliver it (a
 * damaged file, a bucket that does not answer), Nix builds it only with --fallback. That would also
 * build everything when the public cache fails, so instead the build is repeated without this
 * cache.
 */
import type { CacheHooks } from "../settings.ts";

const BUILDING = /^building '(\/nix\/store\/[^']+\.drv)'/;

/** The farm's cache in one nix-build. */
export class CachedBuild {
  readonly #hooks: CacheHooks | undefined;
  readonly #built = new Set<string>();
  #failed = false;

  constructor(hooks: CacheHooks | undefined) {
    this.#hooks = hooks;
  }

  /**
   * Options for nix-build. Without the last of them Nix would remember for an hour what the cache
   * lacks, which another origin may store in the next second.
   */
  get options(): string[] {
    const substituter = this.#hooks?.substituter;
    if (substituter === undefined) return [];
    const settings = {
      substitute: "true",
      "extra-substituters": substituter.url,
      "extra-trusted-public-keys": substituter.keys.join(" "),
      "require-sigs": "true",
      "narinfo-cache-negative-ttl": "0",
    };
    return Object.entries(settings).flatMap(([name, value]) => ["--option", name, value]);
  }

  /**
   * Takes a line of the output; returns it as clients may see it, without the cache's local URL.
   */
  read(line: string): string {
    const [, derivation] = BUILDING.exec(line) ?? [];
    if (derivation !== undefined) this.#built.add(derivation);
    const url = this.#hooks?.substituter?.url;
    if (url === undefined) return line;
    this.#failed ||= /^\s*(error|warning):/.test(line) && line.includes(url);
    this.#failed ||= SUBSTITUTES_FAILED.test(line);
    return line.replaceAll(url, "the farm's cache");
  }

  /** Whether the cache is to blame for a build that failed. */
  get failed(): boolean {
    return this.#failed;
  }

  /** To be called when the build is over: reports what was built. */
  end(): void {
    if (this.#built.size > 0) this.#hooks?.built([...this.#built]);
  }
}

const SUBSTITUTES_FAILED = /some substitutes for the outputs of derivation '.*' failed/;
