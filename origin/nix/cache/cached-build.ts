/**
 * What one nix-build has to do with the farm's binary cache: its options, what it built itself, and
 * whether the cache let it down. Nix does not build what a substituter has announced and then fails
 * to deliver (a damaged file, a bucket that does not answer) unless it is given --fallback, which
 * would also build the world when the public cache is away; so the build is tried again without
 * this cache alone.
 */
import type { CacheHooks } from "../settings.ts";

const BUILDING = /^building '(\/nix\/store\/[^']+\.drv)'/;

export class CachedBuild {
  readonly #hooks: CacheHooks | undefined;
  readonly #built = new Set<string>();
  #failed = false;

  constructor(hooks: CacheHooks | undefined) {
    this.#hooks = hooks;
  }

  /**
   * Nix remembers for an hour what a cache does not have: another origin may store it in the next
   * second.
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
   * Takes a line of the build's output; gives it as clients may see it, without this machine's
   * port.
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

  /** The build is over. */
  end(): void {
    if (this.#built.size > 0) this.#hooks?.built([...this.#built]);
  }
}

const SUBSTITUTES_FAILED = /some substitutes for the outputs of derivation '.*' failed/;
