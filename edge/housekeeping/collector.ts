/**
 * A run of garbage collection, page by page through the bucket's listing (the rule is in kinds.ts).
 * One step reads and deletes no more than one request of a Worker may. The run's state is in the
 * object's SQLite after each step, so any later request can take the next one.
 */
import pLimit from "p-limit";
import { type GcProgress, type GcTerms, pulledImage } from "../contract/housekeeping.ts";
import { note } from "../log.ts";
import { BUCKET_REQUESTS } from "../store/blobs.ts";
import type { Bucket, ListedObject, ListedPage } from "../store/bucket.ts";
import { readWhole } from "../store/read-whole.ts";
import { WITHDRAWN_MS } from "../store/fresh.ts";
import { counted } from "./counts.ts";
import type { Deletions } from "./deletions.ts";
import { type Decision, decisionOn, imageOfPath, KINDS } from "./kinds.ts";
import { type Phase, PHASES, pinKey } from "./phases.ts";
import type { Run, Tables } from "./tables.ts";

/**
 * Most objects in one step, those that are read and others. A Worker may send 1,000 requests while
 * it answers one, and a step reads and deletes each object at most once.
 */
const READ_PAGE = 400;
const PAGE = 900;
/** Bytes of records that one step reads: with what they name they are in memory together. */
const READ_BYTES = 8 * 2 ** 20;
/** Largest record that is read, bytes. */
const MAX_RECORD_BYTES = 8 * 2 ** 20;
/** After this time all pulls that were answered from memory have been recorded, milliseconds. */
const SETTLE_MS = WITHDRAWN_MS + 5_000;
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

interface Looked extends ListedObject {
  readonly refersTo: readonly string[];
  readonly text: string;
}

/** Another run, on other terms, is in progress. */
export interface Busy {
  readonly busy: GcProgress;
}

export class Collector {
  readonly #tables: Tables;
  readonly #bucket: Bucket;
  readonly #deletions: Deletions;
  #stepping: Promise<unknown> = Promise.resolve();

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
      if (now < run.steppedAt + BROKEN_OFF_MS) return { busy: this.#tell(run) };
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

  /** Takes the next step of a run; null when the run no longer exists. Steps do not overlap. */
  async step(id: string): Promise<GcProgress | null> {
    const before = this.#stepping;
    const turn = Promise.withResolvers<void>();
    this.#stepping = turn.promise;
    await before;
    try {
      const { run } = this.#tables;
      if (run?.run !== id) return null;
      if (run.done || Date.now() < run.notBefore) return this.#tell(run);
      // Decided in a step that was interrupted. Later decisions rely on these deletions.
      if ((await this.#delete(run)) > 0) return this.#tell(this.#stepped());
      return this.#tell(await this.#page(run));
    } finally {
      turn.resolve();
    }
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
    const limit = phase.refersTo === undefined ? PAGE : READ_PAGE;
    const listed = await this.#bucket.list(phase.prefix, { limit, after: run.after });
    const page = phase.refersTo === undefined ? listed : readable(listed);
    const looked = await this.#look(phase, page.objects);
    this.#tables.transaction(() => {
      const decisions = looked.map((object) => this.#decisionOn(run, phase, object));
      this.#recordDecisions(run, phase, looked, decisions);
      this.#tables.run = afterPage(counted(run, phase.kind, looked, decisions), page);
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

  async #look(phase: Phase, objects: readonly ListedObject[]): Promise<Looked[]> {
    const { has } = phase.kind === null ? {} : KINDS[phase.kind];
    const own = has === undefined ? objects : objects.filter(({ key }) => has(key));
    const { refersTo } = phase;
    if (refersTo === undefined) return own.map((object) => ({ ...object, refersTo: [], text: "" }));
    const limit = pLimit(BUCKET_REQUESTS);
    return Promise.all(
      own.map((object) =>
        limit(async () => {
          const text = await this.#read(object.key);
          return { ...object, text, refersTo: refersTo(text, object.key) };
        }),
      ),
    );
  }

  /** Empty when the object was deleted since it was listed, or is too long for a record. */
  async #read(key: string): Promise<string> {
    const object = await readWhole(this.#bucket, key, ({ size }) => size <= MAX_RECORD_BYTES);
    return object === null ? "" : new TextDecoder().decode(object.bytes);
  }

  #decisionOn({ terms, startedAt }: Run, { kind }: Phase, { key, writtenAt }: Looked): Decision {
    if (kind === null) return "keep";
    const { isRecord, knownAs } = KINDS[kind];
    const image = kind === "images" ? imageOfPath(key) : null;
    const ids = image?.hints.map((hint) => pulledImage(image.nameKey, hint)) ?? [];
    const pulled = ids.length > 0 ? this.#tables.lastPull(ids) : undefined;
    const usedAt = Math.max(
      writtenAt,
      kind === "images" ? this.#tables.since : 0,
      pulled === undefined ? 0 : (pulled + 1) * DAY_MS,
    );
    return decisionOn({
      usedAt,
      usedAfter: startedAt - (isRecord ? terms.unused : terms.grace) * 1_000,
      pinned: ids.some((id) => this.#tables.markOf(pinKey(id)) !== undefined),
      named: this.#tables.markOf(knownAs?.(key) ?? key),
      condemnedAt: this.#tables.condemnedAt(key),
      // Not later than the run's beginning: the run has seen every record that was written since a
      // claim (pull/images/claim-packages.ts).
      condemnedBefore: startedAt - terms.grace * 1_000,
    });
  }

  /** Records the decisions. A run that deletes nothing condemns nothing either. */
  #recordDecisions(
    run: Run,
    phase: Phase,
    looked: readonly Looked[],
    decisions: readonly Decision[],
  ): void {
    const of = (decision: Decision): Looked[] =>
      looked.filter((_, at) => decisions[at] === decision);
    const refs = (objects: readonly Looked[]) => objects.flatMap(({ refersTo }) => refersTo);
    const keys = (objects: readonly Looked[]) => objects.map(({ key }) => key);
    this.#tables.mark(refs(of("keep")), true);
    this.#tables.mark(refs(of("condemn")), false);
    if (!run.terms.delete || phase.kind === null) return;
    this.#tables.reprieve(keys(of("keep")));
    this.#tables.condemn(keys(of("condemn")), Date.now());
    const deleted = of("delete");
    if (deleted.length === 0) return;
    this.#deletions.decided(keys(deleted));
    if (phase.kind === "images")
      for (const { key, text } of deleted) this.#tables.keepDeletedImage(key, text);
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

/** The first part of a page that one step may read; at least one object. */
function readable({ objects, more }: ListedPage): ListedPage {
  let bytes = 0;
  const end = objects.findIndex(({ size }, at) => (bytes += size) > READ_BYTES && at > 0);
  return end < 0 ? { objects, more } : { objects: objects.slice(0, end), more: true };
}

/** Where the run continues after this page. */
function afterPage(run: Run, page: { objects: readonly ListedObject[]; more: boolean }): Run {
  if (page.more) return { ...run, after: page.objects.at(-1)?.key };
  const { after: _, ...rest } = run;
  const next = PHASES[run.phase + 1];
  const waits = next?.settles === true && run.terms.delete && deletedAny(run);
  return { ...rest, phase: run.phase + 1, notBefore: waits ? Date.now() + SETTLE_MS : 0 };
}

const deletedAny = ({ kinds }: Run): boolean =>
  Object.values(kinds).some(({ deleted }) => deleted.objects > 0);
