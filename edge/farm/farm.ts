/**
 * The Farm object (Durable Object), one in each region: holds the connected origins and gives them
 * jobs. It carries out what the schedule decides (schedule/), and wakes for messages of origins,
 * for requests of Build objects and for its alarm. In between it hibernates with all its
 * connections, also while origins build.
 */
import { DurableObject } from "cloudflare:workers";
import type { Bucket } from "../store/bucket.ts";
import { openBucket } from "../store/open.ts";
import { type Config, readConfig } from "../config.ts";
import type { Env, FarmRpc } from "../env.ts";
import { Alarm } from "./alarm.ts";
import { Candidates } from "./publication/candidates.ts";
import { type Asker, type Ending, itemKey, type Reply } from "./builds/answer.ts";
import type { FarmOverview } from "./overview.ts";
import { acceptConnection } from "./origins/connect.ts";
import { Dispatch, type DispatchParts } from "./jobs/dispatch.ts";
import { take, type Wanted } from "./jobs/intake.ts";
import { TIMES, type Times } from "./limits.ts";
import { FollowedBuilds } from "./jobs/followed-builds.ts";
import { History } from "./jobs/history.ts";
import { configuredOrigins } from "./origins/configured-origins.ts";
import { OriginMessages } from "./origin-messages.ts";
import { Operators } from "./operators.ts";
import { Origins } from "./origins/origins.ts";
import { close } from "./origins/sockets.ts";
import { PING, PONG } from "../contract/messages.ts";
import { type Item } from "../contract/items.ts";
import { note } from "../log.ts";
import { forgetBlob } from "../store/blobs.ts";
import { Publication } from "./publication/publication.ts";
import { Queue } from "./jobs/queue.ts";
import { BinaryCache } from "./uploads/binary-cache.ts";
import { Requests } from "./uploads/requests.ts";
import { Results } from "./jobs/results.ts";
import { RollForward, warmLimits } from "./roll-forward.ts";
import { noteSettings } from "./changed-settings.ts";
import type { Trust } from "./publication/trust.ts";
import { Schedule } from "./schedule/schedule.ts";
import { keyInForce } from "./origins/token.ts";
import { Uploads } from "./uploads/uploads.ts";
import { TagNames } from "./publication/tag-names.ts";
import { UsedTokens } from "./origins/used-tokens.ts";

export class Farm extends DurableObject<Env> implements FarmRpc {
  readonly #alarm: Alarm;
  readonly #bucket: Bucket;
  readonly #schedule: Schedule;
  readonly #queue: Queue;
  readonly #origins: Origins;
  readonly #usedTokens: UsedTokens;
  readonly #tagNames: TagNames;
  readonly #dispatch: Dispatch;
  readonly #results: Results;
  readonly #messages: OriginMessages;
  readonly #operators: Operators;
  readonly #followed: FollowedBuilds;
  readonly #rolls: RollForward;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG));
    const { storage } = ctx;
    const [now, bucket, trust] = [Date.now(), openBucket(env), this.#trust];
    this.#bucket = bucket;
    const times = (): Times => this.times;
    this.#alarm = new Alarm(storage);
    const candidates = new Candidates(storage.sql, trust);
    const packageSet = async (): Promise<string> => (await readConfig(env)).packageSet.id;
    this.#tagNames = new TagNames({ bucket, trust, packageSet });
    const uploads = new Uploads(storage, bucket);
    this.#usedTokens = new UsedTokens(storage.sql);
    this.#schedule = new Schedule(times, () => crypto.randomUUID());
    this.#origins = new Origins(ctx, env, this.#schedule, now);
    this.#queue = new Queue(storage, this.#schedule, times(), now);
    const shared: DispatchParts = {
      schedule: this.#schedule,
      queue: this.#queue,
      origins: this.#origins,
      history: new History(storage.sql),
      alarm: this.#alarm,
      times,
      revoked: (origin) => this.#forgetWork(origin, candidates),
      isStoring: (job) => this.#results.isStoring(job),
      deliver: (wantedBy, endings) => this.#deliver(wantedBy, endings),
    };
    this.#dispatch = new Dispatch(ctx, shared);
    const parts = { ...shared, dispatch: this.#dispatch };
    this.#rolls = new RollForward({
      sql: storage.sql,
      bucket,
      limits: () => warmLimits(env),
      want: (wantedBy, items) => this.#want(wantedBy, items),
      isInForce: (origin) => this.#keyOf(origin) !== undefined,
      wakeBy: (at) => this.#wakeBy(at),
    });
    const publication = new Publication({
      bucket,
      trust,
      candidates,
      setTag: (tag) => this.#rolls.resolved(tag),
      zstd: async () => (await readConfig(env)).zstd,
    });
    this.#results = new Results({ ...parts, publication });
    this.#followed = new FollowedBuilds({
      schedule: this.#schedule,
      send: (origin, message) => void this.#origins.send(origin, message),
    });
    this.#operators = new Operators({ ...parts, uploads });
    const cache = new BinaryCache(storage, bucket);
    const config = (): Promise<Config> => readConfig(env);
    this.#messages = new OriginMessages({
      ...parts,
      env,
      publication,
      tagNames: this.#tagNames,
      requests: new Requests({ ...parts, bucket, uploads, cache, trust, config }),
      results: this.#results,
      followed: this.#followed,
      background: (work) => ctx.waitUntil(work),
    });
    ctx.waitUntil(noteSettings(storage, env));
    // Origins whose sockets were dropped have this long to come back.
    if (this.#origins.someLost) this.#wakeBy(now + this.times.reconnect);
  }

  #wakeBy(at: number): void {
    this.#alarm.by(at);
    this.ctx.waitUntil(this.#alarm.set());
  }

  /** The public key of an origin that is in force. */
  readonly #keyOf = (name: string): string | undefined =>
    this.#origins.controls.is(name, "revoked") ? undefined : keyInForce(name, this.env);

  readonly #trust: Trust = {
    keyOf: this.#keyOf,
    ownerOf: (name) => configuredOrigins(this.env).get(name)?.owner ?? name,
    agree: async () => (await readConfig(this.env)).agree,
  };

  /** The waiting times in force. */
  protected get times(): Times {
    return TIMES;
  }

  /** A connection of an origin that connect.ts has identified. */
  override async fetch(request: Request): Promise<Response> {
    const answer = acceptConnection(request, {
      ctx: this.ctx,
      usedTokens: this.#usedTokens,
      isRevoked: (name) => this.#origins.controls.is(name, "revoked"),
    });
    if (answer.webSocket != null) this.#wakeBy(Date.now() + this.times.hello);
    return answer;
  }

  /** Takes what is wanted into the queue, unless it is there; idempotent (intake.ts). */
  async request(build: string, items: readonly Item[], asker: Asker): Promise<Reply> {
    this.#dispatch.dropRevoked();
    const { lost = [] } = asker;
    for (const { digest } of lost) forgetBlob(digest);
    this.#queue.forgetLost(items, lost, Date.now());
    await this.#queue.forgetWithdrawn(items, this.#bucket, Date.now());
    const reply = await this.#intake({ build, items, ...asker });
    await this.#dispatch.schedule();
    return reply;
  }

  async #intake(wanted: Wanted): Promise<Reply> {
    const { limits, queueTotal: total } = await readConfig(this.env);
    this.#origins.refresh();
    const bounds = { perClient: limits.queued?.count ?? null, total };
    const parts = { schedule: this.#schedule, queue: this.#queue, times: () => this.times };
    return take(wanted, parts, bounds, Date.now());
  }

  /** Background work of the farm's own (roll-forward.ts). */
  async #want(wantedBy: string, items: readonly Item[]): Promise<readonly string[] | null> {
    const asker = { client: null, purpose: "background", regions: [] } as const;
    const reply = await this.#intake({ build: wantedBy, items, ...asker });
    if (reply.state !== "taken") return null;
    return items.map(itemKey).filter((key) => !reply.known.has(key));
  }

  /** What a revoked origin made is asked for again; results that others took are in the bucket. */
  async #forgetWork(origin: string, candidates: Candidates): Promise<void> {
    note("warn", "origin.revoked", { origin });
    this.#queue.forgetEndings();
    candidates.forgetOrigin(origin);
    await this.#tagNames.withdraw(origin);
  }

  async #deliver(wantedBy: string, endings: ReadonlyMap<string, Ending>): Promise<void> {
    if (RollForward.isName(wantedBy)) return this.#rolls.ended(wantedBy, endings.keys());
    return this.env.BUILD.getByName(wantedBy).deliver(endings, this.ctx.id.name ?? "");
  }

  /** A Build object has followers, or has none any more (followed-builds.ts). */
  async follow(build: string, on: boolean): Promise<void> {
    this.#followed.follow(build, on, Date.now());
  }

  /* What operators ask for: operators.ts. */

  async revoke(name: string): Promise<boolean> {
    return this.#operators.revoke(name);
  }

  async reinstate(name: string): Promise<boolean> {
    return this.#operators.reinstate(name);
  }

  async drain(name: string, drained = true): Promise<boolean> {
    return this.#operators.drain(name, drained);
  }

  async rest(name: string, ms: number): Promise<boolean> {
    return this.#operators.rest(name, ms);
  }

  async overview(): Promise<FarmOverview> {
    return this.#operators.overview();
  }

  override async alarm(): Promise<void> {
    this.#alarm.rang();
    await this.#rolls.wake(Date.now());
    await this.#dispatch.schedule(true);
  }

  override async webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): Promise<void> {
    if (!this.#origins.heard(socket, Date.now())) return;
    await this.#messages.read(socket, data);
  }

  override async webSocketClose(socket: WebSocket): Promise<void> {
    // A socket that may hibernate is not closed by the runtime in turn; without this the origin
    // would wait for it.
    close(socket, NORMAL_CLOSE, "");
    this.#origins.closed(socket, Date.now());
    await this.#dispatch.schedule(true);
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    await this.webSocketClose(socket);
  }
}

/** RFC 6455, section 7.4.1. */
const NORMAL_CLOSE = 1000;
