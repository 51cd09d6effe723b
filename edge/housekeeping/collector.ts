/**
 * A run of garbage collection, page by page through the bucket's listing (the rule is in kinds.ts).
 * One step reads and deletes no more than one request of a Worker may. The run's state is in the
 * object's SQLite after each step, so any later request can take the next one.
 */
import pLimit from "p-limit";
import type { GcProgress, GcTerms } from "../contract/housekeeping.ts";
import { note } from "../log.ts";
import type { Bucket } from "../store/bucket.ts";
import { counted } from "./counts.ts";
import { decide, recordDecisions } from "./decide.ts";
import type { Deletions } from "./deletions.ts";
import { lookAt } from "./look.ts";
import { afterPage, PAGE, pageSize, taken } from "./pages.ts";
import { PHASES } from "./phases.ts";
import type { Run, Tables } from "./tables.ts";

/**
 * How long an interrupted run can be continued, milliseconds; after that its marks are outdated.
 */
const RESUMED_MS = 86_400_000;
/**
 * A run whose last step is longer ago than this was interrupted, milliseconds: another may replace
 * it.
 */
const BROKEN_OFF_MS = 120_000;
const DAY_MS = 86_400_000;
/**
 * Entries of condemned objects are dropped after this time, milliseconds: the object is gone, or
 * held by an unused one.
 */
const CONDEMNED_MS = 60 * DAY_MS;

/** Another run, on other terms, is in progress. */
export interface Busy {
  readonly busy: GcProgress;
}

export class Collector {
  readonly #tables: Tables;
  readonly #bucket: Bucket;
  readonly #deletions: Deletions;
  readonly #turns = pLimit(1);

  constructor(tables: Tables, bucket: Bucket, deletions: Deletions) {
    this.#tables = tables;
    this.#bucket = bucket;
    this.#deletions = deletions;
  }

  /** Starts a run, or continues one on the same terms. */
  begin(terms: GcTerms): GcProgress | Busy {
    const { run } = this.#tables;
    const now = Date.now();
    if (run !== undefined && !run.done) {
      if (sameTerms(run.terms, terms) && now < run.startedAt + RESUMED_MS) return this.#tell(run);
      if (this.#isStepping || now < run.steppedAt + BROKEN_OFF_MS) return { busy: this.#tell(run) };
    }
    const fresh: Run = {
      run: crypto.randomUUID(),
      terms,
      startedAt: now,
      done: false,
      kinds: {},
      phase: 0,
      notBefore: 0,
      steppedAt: now,
    };
    this.#tables.transaction(() => {
      this.#tables.clearRun();
      this.#tables.run = fresh;
    });
    note("info", "gc.begun", { run: fresh.run, ...terms });
    return this.#tell(fresh);
  }

  /**
   * Whether a step is under way: the bucket may keep it waiting for longer than BROKEN_OFF_MS, and
   * it goes by the marks of its run.
   */
  get #isStepping(): boolean {
    return this.#turns.activeCount + this.#turns.pendingCount > 0;
  }

  /** Takes the next step of a run; null when the run no longer exists. Steps do not overlap. */
  step(id: string): Promise<GcProgress | null> {
    return this.#turns(() => this.#step(id));
  }

  async #step(id: string): Promise<GcProgress | null> {
    const { run } = this.#tables;
    if (run?.run !== id) return null;
    if (run.done || Date.now() < run.notBefore) return this.#tell(run);
    // Decided in a step that was interrupted. Later decisions rely on these deletions.
    if ((await this.#delete(run)) > 0) return this.#tell(this.#stepped());
    return this.#tell(await this.#page(run));
  }

  #tell({ run, terms, startedAt, done, kinds, phase, notBefore }: Run): GcProgress {
    return {
      run,
      terms,
      startedAt,
      done,
      kinds,
      since: this.#tables.since,
      at: PHASES[phase]?.kind ?? null,
      waitMs: done ? 0 : Math.max(0, notBefore - Date.now()),
    };
  }

  async #page(run: Run): Promise<Run> {
    const phase = PHASES[run.phase];
    if (phase === undefined) return this.#end(run);
    const { prefix, kind } = phase;
    const listed = await this.#bucket.list(prefix, { limit: pageSize(phase), after: run.after });
    const page = taken(phase, listed);
    const looked = await lookAt(this.#bucket, phase, page.objects);
    this.#tables.transaction(() => {
      const decided = looked.map((object) => ({
        ...object,
        decision: decide(this.#tables, run, phase, object),
      }));
      recordDecisions(this.#tables, this.#deletions, { phase, run }, decided);
      this.#tables.run = afterPage(counted(run, kind, decided), page);
    });
    await this.#delete(run);
    return this.#stepped();
  }

  /** Carries out the decided deletions, and returns how many objects that were. */
  async #delete({ run }: Run): Promise<number> {
    const keys = await this.#deletions.deleteDecided(PAGE);
    if (keys > 0) note("info", "gc.deleted", { run, keys });
    return keys;
  }

  /** The run after a step; pulls that came in the meantime may have changed it. */
  #stepped(): Run {
    const { run } = this.#tables;
    if (run === undefined) throw new Error("a step ended without its run");
    const stepped = { ...run, steppedAt: Date.now() };
    this.#tables.run = stepped;
    return stepped;
  }

  #end(run: Run): Run {
    const ended: Run = { ...run, done: true, steppedAt: Date.now() };
    this.#tables.transaction(() => {
      this.#tables.clearRun();
      this.#tables.run = ended;
      if (!run.terms.delete) return;
      const now = Date.now();
      this.#tables.forgetCondemned(now - CONDEMNED_MS);
      this.#tables.forgetPulls(Math.floor((now - run.terms.unused * 1_000) / DAY_MS) - 1);
    });
    note("info", "gc.ended", { run: run.run, ...run.terms, kinds: run.kinds });
    return ended;
  }
}

const sameTerms = (a: GcTerms, b: GcTerms): boolean =>
  a.unused === b.unused && a.grace === b.grace && a.delete === b.delete;
