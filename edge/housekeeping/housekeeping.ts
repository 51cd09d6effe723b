/**
 * The Housekeeping object (Durable Object), one for the registry: it knows when each image was last
 * pulled and which objects are condemned, and runs garbage collection. `firn gc` asks for each step
 * of a run; with GC the object starts a run once a day and takes the steps itself.
 */
import { DurableObject } from "cloudflare:workers";
import { readConfig } from "../config.ts";
import { type GcProgress, type GcTerms, GRACE } from "../contract/housekeeping.ts";
import type { Env, HousekeepingRpc } from "../env.ts";
import type { Bucket } from "../store/bucket.ts";
import { openBucket } from "../store/open.ts";
import { type Busy, Collector } from "./collector.ts";
import { Deletions } from "./deletions.ts";
import { type RestoreParts, restoreName, restorePulled } from "./restore-images.ts";
import { Tables } from "./tables.ts";

const DAY_MS = 86_400_000;
/**
 * Time between two alarms, milliseconds: within a run, between runs, and while an operator's run is
 * in progress.
 */
const NEXT_STEP = 100;
const NEXT_RUN = DAY_MS;
const BUSY = 600_000;

function waitAfter(progress: GcProgress | Busy): number {
  if ("busy" in progress) return BUSY;
  return progress.done ? NEXT_RUN : Math.max(NEXT_STEP, progress.waitMs);
}

export class Housekeeping extends DurableObject<Env> implements HousekeepingRpc {
  readonly #tables: Tables;
  readonly #bucket: Bucket;
  readonly #deletions: Deletions;
  readonly #collector: Collector;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#tables = new Tables(ctx.storage);
    this.#bucket = openBucket(env);
    this.#deletions = new Deletions(this.#tables, this.#bucket);
    this.#collector = new Collector(this.#tables, this.#bucket, this.#deletions);
  }

  async claim(keys: readonly string[]): Promise<readonly string[]> {
    return this.#deletions.claim(keys);
  }

  /** Records that these images, each as `pulledImage` names it, were pulled now. */
  async pulled(images: readonly string[]): Promise<void> {
    this.#tables.notePulls(images, Math.floor(Date.now() / DAY_MS));
    await restorePulled(this.#restoreParts, images);
    const { gc } = await readConfig(this.env);
    if (gc !== null && (await this.ctx.storage.getAlarm()) === null)
      await this.ctx.storage.setAlarm(Date.now());
  }

  async bringBack(nameKey: string): Promise<boolean> {
    return restoreName(this.#restoreParts, nameKey);
  }

  get #restoreParts(): RestoreParts {
    return { tables: this.#tables, bucket: this.#bucket, deletions: this.#deletions };
  }

  /** With GC: takes the steps of a run, and starts the next one a day later. */
  override async alarm(): Promise<void> {
    const { gc } = await readConfig(this.env);
    if (gc === null) return;
    const terms = { unused: gc, grace: GRACE, delete: true };
    let progress = this.#collector.begin(terms);
    // One step: it may use up the requests that one invocation may send.
    if (!("busy" in progress) && !progress.done && progress.waitMs === 0)
      progress = (await this.#collector.step(progress.run)) ?? progress;
    await this.ctx.storage.setAlarm(Date.now() + waitAfter(progress));
  }

  async begin(terms: GcTerms): Promise<GcProgress | Busy> {
    return this.#collector.begin(terms);
  }

  async step(run: string): Promise<GcProgress | null> {
    return this.#collector.step(run);
  }
}
