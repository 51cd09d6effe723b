/**
 * Metadata of packages by the names of their store paths: from the set's list if it has one,
 * otherwise by evaluation. What was found, or was not, is remembered, since a revision never
 * changes.
 */
import { LRUCache } from "lru-cache";
import type { Metadata } from "../../../edge/contract/closure.ts";
import { nameAndVersion } from "../../../edge/contract/store-path.ts";
import type { Sources } from "../sets/source.ts";
import type { BuildRequest } from "../types.ts";
import { metadataByName } from "./metadata.ts";
import type { Evaluation } from "./restricted.ts";

type Asked = Pick<BuildRequest, "revision" | "system">;
type Evaluate = (request: Asked, signal: AbortSignal) => Promise<Evaluation>;

/** Longest evaluation for metadata, ms. */
const METADATA_TIME = 5_000;
/** Names of store paths whose metadata is kept in memory. */
const MAX_METADATA = 20_000;

/** The metadata of one package set. */
export class KnownMetadata {
  readonly #sources: Pick<Sources, "metadata">;
  readonly #evaluation: Evaluate;
  readonly #known = new LRUCache<string, Metadata>({ max: MAX_METADATA });

  constructor(sources: Pick<Sources, "metadata">, evaluation: Evaluate) {
    this.#sources = sources;
    this.#evaluation = evaluation;
  }

  /**
   * Metadata by name, without names that have no version or no metadata. Throws an Error when the
   * evaluation fails or takes too long.
   */
  async of(
    { revision, system }: Asked,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Metadata>> {
    const versioned = [...new Set(names)].filter((name) => nameAndVersion(name).version !== "");
    const key = (name: string): string => `${revision} ${system} ${name}`;
    const unknown = versioned.filter((name) => !this.#known.has(key(name)));
    if (unknown.length > 0) {
      const found = await this.#find({ revision, system }, unknown, signal);
      for (const name of unknown) this.#known.set(key(name), found.get(name) ?? {});
    }
    const known = versioned.map((name) => [name, this.#known.get(key(name)) ?? {}] as const);
    return new Map(known.filter(([, metadata]) => Object.keys(metadata).length > 0));
  }

  async #find(
    request: Asked,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Metadata>> {
    const list = await this.#sources.metadata?.(request.revision, request.system);
    if (list !== undefined)
      return new Map(
        names.flatMap((name) => {
          const found = list.get(name) ?? list.get(name.replace(/-[a-z]+$/, ""));
          return found === undefined ? [] : [[name, found] as const];
        }),
      );
    const evaluation = await this.#evaluation(request, signal);
    const end = performance.now() + METADATA_TIME;
    // Metadata needs no builds: what a set would have to build for is left out.
    const source = { ...evaluation.source, importFromDerivation: false };
    const timeLeft = (): number => end - performance.now();
    return metadataByName({ ...evaluation, source, write: false, timeLeft }, names).catch(
      (error: unknown) => {
        if (timeLeft() > 0 || signal.aborted) throw error;
        throw new Error(`evaluating metadata took longer than ${METADATA_TIME / 1_000} s`);
      },
    );
  }
}
