/**
 * The Build object: one per missing work item, by name `workKey(work)`. Everybody who wants the
 * work waits on it, so 32 pulls of one unknown image are one build. A retry joins; who hangs up
 * cancels nothing; and as everything but the waiting itself is in SQLite, a restart loses nothing
 * (ask.ts asks again).
 *
 * It hands the work to the farm, hears piece by piece what became of it, and vanishes a while after
 * the last answer.
 */
import { DurableObject } from "cloudflare:workers";
import type { BuildRpc, Env } from "../env.ts";
import { workKey } from "../contract/keys.ts";
import type { Answer } from "./answer.ts";
import { farmStub } from "./connect.ts";
import { memoryOf, RECHECK } from "./limits.ts";
import { note } from "./log.ts";
import { answerOf, type Fate, piecesOf, type Settlement } from "./pieces.ts";
import type { Work } from "../contract/messages.ts";

export class Build extends DurableObject<Env> implements BuildRpc {
  readonly #sql: SqlStorage;
  /** The request to the farm that this instance has made; later callers share it. */
  #requested: Promise<Answer | undefined> | undefined;
  readonly #waiters = new Set<() => void>();

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    this.#createTables();
  }

  /** Starts the work or joins it, and waits for the answer, `building` after `waitMs`. */
  async ask(work: Work, waitMs: number): Promise<Answer> {
    const deadline = Date.now() + waitMs;
    const known = this.#answer();
    if (known !== undefined && this.#until() > Date.now()) return known;
    if (known !== undefined || this.#work() === undefined) this.#begin(work);
    const refused = await this.#request();
    if (refused !== undefined) return refused;
    return this.#answer() ?? (await this.#wait(deadline)) ?? { state: "building" };
  }

  /** The farm tells what became of pieces of the work. */
  async settle(settlements: readonly Settlement[]): Promise<void> {
    if (this.#work() === undefined) return this.#vanish();
    for (const { piece, fate } of settlements)
      this.#sql.exec(
        "INSERT OR REPLACE INTO fates (piece, fate) VALUES (?, ?)",
        piece,
        JSON.stringify(fate),
      );
    if (this.#answer() === undefined) return;
    const until = Date.now() + Math.min(...[...this.#fates().values()].map(memoryOf));
    this.#sql.exec("UPDATE build SET until = ?", until);
    this.#waiters.forEach((wake) => wake());
    await this.ctx.storage.setAlarm(until);
  }

  /**
   * While the work goes on: asks the farm again, in case a notice got lost. After the answer's
   * time: vanishes.
   */
  override async alarm(): Promise<void> {
    if (this.#work() === undefined) return this.#vanish();
    if (this.#answer() !== undefined)
      return this.#until() > Date.now() ? this.ctx.storage.setAlarm(this.#until()) : this.#vanish();
    this.#requested = undefined;
    await this.ctx.storage.setAlarm(Date.now() + RECHECK);
    await this.#request().catch((error: unknown) =>
      note("warn", "build.request", { error: String(error) }),
    );
  }

  #begin(work: Work): void {
    this.#sql.exec("DELETE FROM fates");
    this.#sql.exec(
      "INSERT OR REPLACE INTO build (id, work, until) VALUES (1, ?, 0)",
      JSON.stringify(work),
    );
    this.#requested = undefined;
  }

  /**
   * Sees to it that the farm has the work, once per instance. Returns the answer when the farm does
   * not take it.
   */
  #request(): Promise<Answer | undefined> {
    this.#requested ??= this.#hand().catch((error: unknown) => {
      this.#requested = undefined;
      throw error;
    });
    return this.#requested;
  }

  async #hand(): Promise<Answer | undefined> {
    const work = this.#work();
    if (work === undefined || this.#answer() !== undefined) return undefined;
    await this.ctx.storage.setAlarm(Date.now() + RECHECK);
    const reply = await farmStub(this.env).request(await workKey(work), work, [
      ...this.#fates().keys(),
    ]);
    if (reply.state !== "taken") {
      await this.#vanish();
      this.#waiters.forEach((wake) => wake());
      return { state: reply.state };
    }
    await this.settle(reply.settled as Settlement[]);
    return undefined;
  }

  #wait(deadline: number): Promise<Answer | undefined> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(finish);
        resolve(this.#answer());
      };
      const timer = setTimeout(finish, Math.max(0, deadline - Date.now()));
      this.#waiters.add(finish);
    });
  }

  async #vanish(): Promise<void> {
    this.#requested = undefined;
    // Nobody may come in between: what they began would be deleted.
    await this.ctx.blockConcurrencyWhile(async () => {
      await this.ctx.storage.deleteAlarm();
      await this.ctx.storage.deleteAll();
      this.#createTables();
    });
  }

  #createTables(): void {
    this.#sql.exec(
      "CREATE TABLE IF NOT EXISTS build (id INTEGER PRIMARY KEY, work TEXT NOT NULL, until INTEGER NOT NULL); CREATE TABLE IF NOT EXISTS fates (piece TEXT PRIMARY KEY, fate TEXT NOT NULL)",
    );
  }

  #work(): Work | undefined {
    const row = this.#sql.exec<{ work: string }>("SELECT work FROM build").toArray()[0];
    return row && (JSON.parse(row.work) as Work);
  }

  /** Until when the answer is remembered, ms; 0 while there is none. */
  #until(): number {
    return this.#sql.exec<{ until: number }>("SELECT until FROM build").toArray()[0]?.until ?? 0;
  }

  #fates(): Map<string, Fate> {
    return new Map(
      this.#sql
        .exec<{ piece: string; fate: string }>("SELECT piece, fate FROM fates")
        .toArray()
        .map(({ piece, fate }) => [piece, JSON.parse(fate) as Fate]),
    );
  }

  #answer(): Answer | undefined {
    const work = this.#work();
    if (
      work === undefined ||
      this.#sql.exec<{ n: number }>("SELECT count(*) AS n FROM fates").one().n <
        piecesOf(work).length
    )
      return undefined;
    return answerOf(work, this.#fates());
  }
}
