/**
 * Remembers which repositories of a registry have a blob, by what was pushed from here, as docker
 * does. If a repository has lost the blob, the registry says so, and the blob is sent.
 *
 *   pushed/<host>.json    {"sha256:…": ["team/base", "team/app"], …}
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import type { Digest } from "../../edge/contract/digest.ts";
import { writeWhole } from "../disk/write-whole.ts";

/** Repositories remembered of a blob, and blobs of a registry. */
const MAX_REPOSITORIES = 3;
const MAX_BLOBS = 20_000;

const PushedSchema = v.record(v.string(), v.array(v.string()));

/** The repositories of one registry. */
export class Mounts {
  readonly #file: string;
  readonly #known: Map<string, readonly string[]>;

  private constructor(file: string, known: Map<string, readonly string[]>) {
    this.#file = file;
    this.#known = known;
  }

  static async open(stateDir: string, host: string): Promise<Mounts> {
    const file = join(stateDir, "pushed", `${encodeURIComponent(host)}.json`);
    const text = await readFile(file, "utf8").catch(() => "{}");
    // A damaged file is ignored.
    const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), PushedSchema), text);
    return new Mounts(file, new Map(Object.entries(parsed.success ? parsed.output : {})));
  }

  /** Repositories that have the blob, the most recent first. */
  sources(digest: Digest): readonly string[] {
    return this.#known.get(digest) ?? [];
  }

  add(digest: Digest, repository: string): void {
    const others = this.sources(digest).filter((other) => other !== repository);
    this.#known.delete(digest);
    this.#known.set(digest, [repository, ...others].slice(0, MAX_REPOSITORIES));
  }

  async save(): Promise<void> {
    const latest = [...this.#known].slice(-MAX_BLOBS);
    const text = JSON.stringify(Object.fromEntries(latest));
    await writeWhole(this.#file, (temporary) => writeFile(temporary, text));
  }
}
