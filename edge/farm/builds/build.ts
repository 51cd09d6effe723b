/**
 * The Build object (Durable Object), one for each set of missing items, named by `buildName`. Every
 * request that needs these items waits on it, so 32 pulls of one unknown image are one build, for
 * which the farm is asked once per client. A retry joins. A client that hangs up does not cancel
 * anything at once: while somebody waits, Build asks the farm again every `recheck`, and the farm
 * drops items that nobody asked for during `wanted` (limits.ts) and no origin has begun.
 *
 * Regions are asked in the order of the first client that asked. A region that has no origin for
 * the items, or no place in its queue, is skipped; clients do not notice.
 *
 * It stores nothing: the farm's queue holds the items, and remembers for a while how they ended.
 * When this object is lost, ask.ts asks a new one, which asks the farm.
 */
import { DurableObject } from "cloudflare:workers";
import type { BuildRpc, Env } from "../../env.ts";
import type { Item } from "../../contract/items.ts";
import { note } from "../../log.ts";
import { type Answer, type Asker, buildName, type Ending, itemKey, type Reply } from "./answer.ts";
import { BuildLog, FOLLOW_SECONDS, type LogLines } from "./build-log.ts";
import { Endings } from "./endings.ts";
import { endOf, follow } from "./follow.ts";
import { missingNow } from "../../store/blobs.ts";
import { openBucket } from "../../store/open.ts";
import { TIMES, type Times } from "../limits.ts";
import { farmName, farmOf } from "../farms.ts";
import type { Region } from "../regions.ts";

/** Null: the farm has taken the items. */
type Refusal = Exclude<Reply, { state: "taken" }> | null;

export class Build extends DurableObject<Env> implements BuildRpc {
  readonly #endings = new Endings();
  /** The regions to ask, and the index of the current one; undefined: the only farm. */
  #regions: readonly (Region | undefined)[] = [undefined];
  #region = 0;
  #asker: Asker | undefined;
  /** How long the endings answer further requests, ms since 1970; 0 while one is missing. */
  #until = 0;
  /** The last request to the farm for each client, which its further requests share. */
  readonly #requests = new Map<
    string,
    { readonly until: number; readonly reply: Promise<Refusal> }
  >();
  readonly #waiting = new Set<() => void>();
  /** The endings are being read again, for all that wait. */
  #refreshing: Promise<void> | undefined;
  readonly #log = new BuildLog((followed) => this.#tellFarm(followed));
  #following: ReturnType<typeof setInterval> | undefined;

  /** The waiting times in force. */
  protected get times(): Pick<Times, "recheck" | "kept"> {
    return TIMES;
  }

  /** Has the items made, or joins those who wait for them; `building` after `waitMs`. */
  async ask(items: readonly Item[], waitMs: number, said: Asker): Promise<Answer> {
    const deadline = Date.now() + waitMs;
    if (this.#endings.items.length === 0) this.#begin(items, said);
    if (this.#until !== 0 && Date.now() >= this.#until) this.#forget();
    const { lost: named = [] } = said;
    const lost = named.length > 0 ? await missingNow(openBucket(this.env), named) : [];
    if (this.#endings.nameOneOf(lost)) this.#forget();
    const asker = { ...said, lost };
    this.#asker = asker;
    for (let asked = false; ; asked = true) {
      const refusal = await this.#askFarm(asker).catch((error: unknown) => {
        // The first request must arrive; a later one only replaces a delivery that got lost.
        if (!asked) throw error;
        note("warn", "build.request", { error: String(error) });
        return null;
      });
      if (refusal !== null) return refusal;
      if (this.#endings.answer() === undefined)
        await this.#delivered(Math.min(deadline - Date.now(), this.times.recheck));
      await (this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = undefined)));
      const answer = this.#endings.answer();
      if (answer !== undefined) return answer;
      if (Date.now() >= deadline) return { state: "building" };
    }
  }

  #begin(items: readonly Item[], { regions }: Asker): void {
    this.#endings.begin(items);
    this.#regions = regions.length === 0 ? [undefined] : regions;
    this.#log.note("waiting for an origin");
    // Endings may have arrived before, for the object that this one replaces.
    this.#end(new Map());
  }

  /** Items whose records were withdrawn since they ended are asked for again. */
  async #refresh(): Promise<void> {
    if (this.#endings.answer() === undefined) return;
    const bucket = openBucket(this.env);
    const gone = await this.#endings.refresh(bucket, Date.now() - this.times.kept);
    if (gone.length === 0) return;
    note("info", "build.withdrawn", { items: gone });
    this.#reopen();
  }

  /**
   * A farm, by name, reports how items ended. When it no longer has an origin for some of them, the
   * next region is asked, unless that farm is not the current one any more.
   */
  async deliver(endings: ReadonlyMap<string, Ending>, farm: string): Promise<void> {
    const at = this.#regions.findIndex((region) => farmName(region) === farm);
    const isLast = at === this.#region && at === this.#regions.length - 1;
    const ended = [...endings].filter(([, ending]) => !isRefusal(ending) || isLast);
    this.#end(new Map(ended));
    if (ended.length === endings.size || at !== this.#region || !this.#asker) return;
    this.#region += 1;
    const refusal = await this.#send(this.#asker);
    if (refusal === null) return;
    const why = isRefusal(refusal.state) ? refusal.state : "no-origin";
    this.#end(new Map(this.#endings.missing.map((item) => [itemKey(item), why])));
  }

  #end(endings: ReadonlyMap<string, Ending>): void {
    this.#endings.add(endings, Date.now());
    const answer = this.#endings.answer();
    if (answer === undefined || this.#until !== 0) return;
    this.#until = Date.now() + this.#endings.memory();
    for (const tell of this.#waiting) tell();
    this.#log.end(endOf(answer));
  }

  /** The log, as a stream (build-log.ts); 404 when nobody has asked for the items lately. */
  override async fetch(request: Request): Promise<Response> {
    const { items } = this.#endings;
    if (items.length === 0) return new Response(null, { status: 404 });
    return follow(this.#log, items, new URL(request.url));
  }

  /** Lines of an origin have arrived. */
  async log(lines: LogLines): Promise<void> {
    this.#log.add(lines);
  }

  /**
   * Tells the farm now, and again while somebody follows, since the farm may have been restarted.
   */
  #tellFarm(followed: boolean): void {
    if (this.#following !== undefined) clearInterval(this.#following);
    const tell = (): void => {
      const told = buildName(this.#endings.items).then((build) =>
        farmOf(this.env, this.#regions[this.#region]).follow(build, followed),
      );
      this.ctx.waitUntil(
        told.catch((error: unknown) => note("warn", "build.follow", { error: String(error) })),
      );
    };
    tell();
    if (followed) this.#following = setInterval(tell, FOLLOW_SECONDS * 1_000);
  }

  #forget(): void {
    this.#endings.clear();
    this.#reopen();
  }

  /** Not all items have ended any more. */
  #reopen(): void {
    this.#log.restart();
    this.#until = 0;
    this.#requests.clear();
  }

  /**
   * Asks the farm for what has no ending yet, on behalf of each client at most once every
   * `recheck`: a delivery that got lost costs no more than that. The time is shortened at random by
   * up to a fifth, so that not everybody asks at the same moment after the farm was restarted.
   */
  #askFarm(asker: Asker): Promise<Refusal> {
    if (this.#endings.answer() !== undefined) return Promise.resolve(null);
    const now = Date.now();
    const key = requestKey(asker);
    const last = this.#requests.get(key);
    if (last !== undefined && now < last.until) return last.reply;
    for (const [other, { until }] of this.#requests) if (until <= now) this.#requests.delete(other);
    const until = now + this.times.recheck * (1 - Math.random() / 5);
    const reply = this.#send(asker).catch((error: unknown) => {
      this.#requests.delete(key);
      throw error;
    });
    this.#requests.set(key, { until, reply });
    return reply;
  }

  /**
   * Offers what is missing to the current region, and then to the next ones until one takes it.
   * Several clients may be at different regions at the same time.
   */
  async #send(asker: Asker): Promise<Refusal> {
    const items = this.#endings.missing;
    let refusal: Refusal = null;
    for (let at = this.#region; at < this.#regions.length; at += 1) {
      const reply = await this.#offer(items, asker, at);
      if (reply.state === "taken") {
        this.#region = at;
        this.#end(reply.known);
        return null;
      }
      // A full queue passes sooner than a region gets an origin.
      if (refusal?.state !== "queue-full") refusal = reply;
    }
    this.#region = 0;
    this.#requests.delete(requestKey(asker));
    return refusal;
  }

  async #offer(items: readonly Item[], asker: Asker, at: number): Promise<Reply> {
    const region = this.#regions[at];
    const build = await buildName(this.#endings.items);
    try {
      return (await farmOf(this.env, region).request(build, items, asker)) as Reply;
    } catch (error) {
      // A farm that does not answer is skipped, except the last.
      if (at >= this.#regions.length - 1) throw error;
      note("warn", "build.region", { build, region, error: String(error) });
      return { state: "no-origin" };
    }
  }

  /** Resolves as soon as all items have ended, or after `ms`. */
  #delivered(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(finish);
        resolve();
      };
      const timer = setTimeout(finish, Math.max(0, ms));
      this.#waiting.add(finish);
    });
  }
}

/** Whether a farm has nobody who could make an item now: another region may. */
const isRefusal = (ending: Ending | Reply["state"]): ending is "no-origin" | "paused" =>
  ending === "no-origin" || ending === "paused";

const requestKey = ({ purpose, client, lost = [] }: Asker): string =>
  [purpose, client ?? "", ...lost.map(({ digest }) => digest)].join(" ");
