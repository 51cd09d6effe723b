/**
 * The Housekeeping object, one for the registry: when images were pulled last, what is condemned, and
 * the run of garbage collection that is under way. It does nothing by itself: `firn gc` or the cron
 * trigger asks for each step.
 */
import { DurableObject } from "cloudflare:workers";
import type { GcProgress, GcTerms } from "../contract/housekeeping.ts";
import type { Env, HousekeepingRpc } from "../env.ts";
import { openBucket } from "../store/open.ts";
import { type Busy, Collector } from "./collector.ts";
import { Deletions } from "./deletions.ts";
import { Tables } from "./tables.ts";

export class Housekeeping extends DurableObject<Env> implements HousekeepingRpc {
  readonly #deletions: Deletions;
  readonly #collector: Collector;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const tables = new Tables(ctx.storage);
    const bucket = openBucket(env);
    this.#deletions = new Deletions(tables, bucket);
    this.#collector = new Collector(tables, bucket, this.#deletions);
  }

  async claim(keys: readonly string[]): Promise<readonly string[]> {
    return this.#deletions.claim(keys);
  }

  async pulled(images: readonly string[]): Promise<void> {
    await this.#collector.pulled(images);
  }

  async begin(terms: GcTerms): Promise<GcProgress | Busy> {
    return this.#collector.begin(terms);
  }

  async step(run: string): Promise<GcProgress | null> {
    return this.#collector.step(run);
  }
}
