/**
 * The Farm object: holds a region's connected origins and hands them jobs. It only carries out what
 * the schedule decides, and wakes for messages, for requests of Build objects and for its alarm;
 * between these it hibernates with all its connections, whatever is being built.
 */
import { DurableObject } from "cloudflare:workers";
import { openBucket } from "../store/open.ts";
import { readConfig } from "../config.ts";
import type { Env, FarmRpc } from "../env.ts";
import { Candidates } from "./candidates.ts";
import { type Asker, type Ending, itemKey, type Reply } from "./answer.ts";
import type { FarmOverview } from "./overview.ts";
import { CALLER_HEADER, unauthorized } from "./connect.ts";
import { Dispatch } from "./dispatch.ts";
import { take, type Wanted } from "./intake.ts";
import { TIMES, type Times } from "./limits.ts";
import { admit, type Hello } from "./admission.ts";
import { Followers } from "./followers.ts";
import { configuredOrigins, mayResolve } from "./configured-origins.ts";
import { Origins, REVOKED, type Status } from "./origins.ts";
import { type Attachment, attachmentOf, close } from "./sockets.ts";
import { readMessage } from "./read-message.ts";
import {
  CLOSE,
  type FromOrigin,
  PING,
  PONG,
  PROTOCOL_VERSION,
  type Item,
} from "../contract/messages.ts";
import { note } from "../log.ts";
import { Publication } from "./publication.ts";
import { Queue } from "./queue.ts";
import { BinaryCache } from "./binary-cache.ts";
import { Requests } from "./requests.ts";
import { Results } from "./results.ts";
import { RollForward } from "./roll-forward.ts";
import { noteSettings } from "./settings.ts";
import type { Trust } from "./standing-layers.ts";
import { Schedule } from "./schedule/schedule.ts";
import { type Caller, keyInForce } from "./token.ts";
import { Uploads } from "./uploads.ts";

export class Farm extends DurableObject<Env> implements FarmRpc {
  readonly #schedule: Schedule;
  readonly #queue: Queue;
  readonly #origins: Origins;
  readonly #dispatch: Dispatch;
  readonly #results: Results;
  readonly #requests: Requests;
  readonly #candidates: Candidates;
  readonly #publication: Publication;
  readonly #followers: Followers;
  readonly #rolls: RollForward;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG));
    this.#candidates = new Candidates(ctx.storage);
    this.#publication = new Publication({
      bucket: openBucket(env),
      trust: this.#trust,
      candidates: this.#candidates,
      setTag: (tag) => this.#rolls.resolved(tag),
      zstd: async () => (await readConfig(env)).zstd,
    });
    const now = Date.now();
    const times = (): Times => this.times;
    this.#schedule = new Schedule(times, () => crypto.randomUUID());
    this.#origins = new Origins(ctx, env, this.#schedule, now);
    this.#queue = new Queue(ctx.storage, this.#schedule, now);
    const parts = {
      schedule: this.#schedule,
      queue: this.#queue,
      origins: this.#origins,
      times,
      isStoring: (job: string): boolean => this.#results.isStoring(job),
      deliver: (wantedBy: string, endings: ReadonlyMap<string, Ending>) =>
        this.#deliver(wantedBy, endings),
    };
    this.#dispatch = new Dispatch(ctx, parts);
    this.#rolls = new RollForward({
      sql: ctx.storage.sql,
      bucket: openBucket(env),
      limits: async () => {
        const { warm, packageSet } = await readConfig(env);
        // Whoever edits a directory wants to pull what it holds now.
        return packageSet.kind === "path" ? { ...warm, packages: 0 } : warm;
      },
      want: (wantedBy, items) => this.#want(wantedBy, items),
      wakeBy: (at) => this.#dispatch.wakeBy(at),
    });
    this.#results = new Results({
      ...parts,
      dispatch: this.#dispatch,
      publication: this.#publication,
    });
    this.#requests = new Requests({
      queue: this.#queue,
      origins: this.#origins,
      bucket: openBucket(env),
      uploads: new Uploads(ctx.storage, openBucket(env)),
      cache: new BinaryCache(ctx.storage, openBucket(env)),
      trust: this.#trust,
      config: () => readConfig(env),
    });
    ctx.waitUntil(
      noteSettings(ctx.storage, env).catch((error: unknown) =>
        note("error", "settings.unread", { error: String(error) }),
      ),
    );
    this.#followers = new Followers({
      schedule: this.#schedule,
      send: (origin, message) => void this.#origins.send(origin, message),
    });
    // Origins whose sockets were dropped may not come back.
    if (this.#origins.someLost) void ctx.storage.setAlarm(now + this.times.reconnect);
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
    const caller = JSON.parse(request.headers.get(CALLER_HEADER) ?? "null") as Caller | null;
    const now = Date.now();
    if (caller === null || !this.#origins.redeem(caller, now)) {
      note("warn", "origin.refused", { origin: caller?.name, reason: "the token was used before" });
      return unauthorized();
    }
    if (this.#origins.controls.is(caller.name, "revoked")) {
      note("warn", "origin.refused", { origin: caller.name, reason: "it was revoked" });
      return unauthorized();
    }
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server, [caller.name]);
    server.serializeAttachment({
      connection: crypto.randomUUID(),
      name: caller.name,
      key: caller.key,
      connectedAt: now,
      hello: false,
    } satisfies Attachment);
    return new Response(null, { status: 101, webSocket: client });
  }

  /** Takes what is wanted into the queue, unless it is there; idempotent (intake.ts). */
  async request(build: string, items: readonly Item[], asker: Asker): Promise<Reply> {
    this.#origins.dropRevoked();
    const reply = await this.#intake({ build, items, ...asker });
    await this.#dispatch.schedule();
    return reply;
  }

  async #intake(wanted: Wanted): Promise<Reply> {
    const { limits, queueTotal: total } = await readConfig(this.env);
    const bounds = { perClient: limits.queued?.count ?? null, total };
    const parts = { schedule: this.#schedule, queue: this.#queue };
    return take(wanted, parts, bounds, Date.now());
  }

  /** Background work of the farm's own (roll-forward.ts). */
  async #want(wantedBy: string, items: readonly Item[]): Promise<readonly string[] | null> {
    const asker = { client: null, purpose: "background", regions: [] } as const;
    const reply = await this.#intake({ build: wantedBy, items, ...asker });
    if (reply.state !== "taken") return null;
    return items.map(itemKey).filter((key) => !reply.known.has(key));
  }

  async #deliver(wantedBy: string, endings: ReadonlyMap<string, Ending>): Promise<void> {
    if (RollForward.isName(wantedBy)) return this.#rolls.ended(wantedBy, endings.keys());
    return this.env.BUILD.getByName(wantedBy).deliver(endings);
  }

  /** A Build object has followers, or has none any more (followers.ts). */
  async follow(build: string, on: boolean): Promise<void> {
    this.#followers.follow(build, on, Date.now());
  }

  /** Operators: ends an origin's connection for good, and gives its jobs to others. */
  async revoke(name: string): Promise<boolean> {
    const connected = this.#origins.revoke(name);
    // What it has made is asked for anew, by those who had it as well.
    this.#queue.forgetEndings();
    this.#candidates.forgetOrigin(name);
    note("warn", "origin.revoked", { origin: name });
    await this.#dispatch.schedule(true);
    return connected;
  }

  /** Operators: takes `revoke` back; false when the name was not revoked. */
  async reinstate(name: string): Promise<boolean> {
    return this.#origins.controls.set(name, "revoked", false);
  }

  /** Operators: gives an origin no more jobs, also when it comes back; false: it was so already. */
  async drain(name: string, drained = true): Promise<boolean> {
    const changed = this.#origins.drain(name, drained);
    note("info", drained ? "origin.drained" : "origin.undrained", { origin: name });
    await this.#dispatch.schedule(true);
    return changed;
  }

  /** Operators: gives an origin nothing for `ms`, then one job at a time until one is done. */
  async rest(name: string, ms: number): Promise<boolean> {
    const isKnown = this.#origins.rest(name, Date.now() + ms);
    await this.#dispatch.schedule(true);
    return isKnown;
  }

  /** Operators: the origins that are remembered, and how many items wait in each lane. */
  async overview(): Promise<FarmOverview> {
    this.#origins.refresh();
    const { backlog, origins } = this.#schedule;
    return {
      origins: this.#origins.facts.map((facts) => {
        const { seen = 0, held = { tags: 0, packages: 0 } } = origins.get(facts.name) ?? {};
        const drained = this.#origins.controls.is(facts.name, "drained");
        return { ...facts, seen, held, drained };
      }),
      controls: this.#origins.controls.all(),
      queued: { tags: backlog.queuedIn("tags"), packages: backlog.queuedIn("packages") },
      jobs: this.#schedule.jobs.size,
    };
  }

  override async alarm(): Promise<void> {
    await this.#rolls.wake(Date.now());
    await this.#dispatch.wake();
  }

  override async webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): Promise<void> {
    if (!this.#origins.heard(socket, Date.now())) return;
    const { name, hello } = attachmentOf(socket);
    const read = readMessage(data);
    if (read.kind === "message") {
      if (hello === (read.message.type === "hello"))
        return void close(socket, CLOSE.protocol, "hello comes first, and once");
      try {
        return await this.#take(socket, name, read.message);
      } catch (error) {
        // The configuration, or a fault of ours: the origin comes back and says again what was not
        // dealt with.
        note("error", "origin.message", {
          origin: name,
          type: read.message.type,
          error: String(error),
        });
        return void close(socket, INTERNAL_ERROR, "the edge has trouble; try again");
      }
    }
    note("error", "origin.protocol", { origin: name, problem: read.problem });
    if (read.kind === "unreadable") close(socket, CLOSE.protocol, read.problem);
    else await this.#results.refuseResults(name, read.job, read.problem);
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

  #take(socket: WebSocket, name: string, message: FromOrigin): Promise<void> | void {
    switch (message.type) {
      case "hello":
        return this.#welcome(socket, name, message);
      case "status":
        return this.#status(name, message);
      case "accepted":
        this.#queue.accept(message.job, name);
        return this.#toldOfFollowers(name, message.job);
      case "log":
        return this.#logged(name, message);
      case "refused":
        return this.#results.handBack(name, message.job, message.message);
      case "done":
        return this.#results.done(name, message.job, message.results);
      case "failed":
        return this.#results.failed(name, message.job, message.failure);
      case "revision":
        return this.#announced(name, [message]);
      case "bye":
        this.#origins.leave(name);
        return this.#dispatch.schedule(true);
      case "upload":
      case "layers":
      case "read":
      case "cache-store":
      case "cache-read":
        return this.#requests.take(name, message);
    }
  }

  #toldOfFollowers(name: string, id: string): void {
    const job = this.#schedule.jobs.get(id);
    if (job?.origin === name) this.#followers.begun(job, Date.now());
  }

  /** Passes on what a job writes to the builds that are followed. */
  #logged(name: string, { job: id, first, lines }: LogMessage): void {
    const job = this.#schedule.jobs.get(id);
    if (job?.origin !== name) return;
    for (const build of this.#followers.buildsOf(job, Date.now()))
      this.ctx.waitUntil(
        Promise.resolve(this.env.BUILD.getByName(build).log({ source: id, first, lines })).catch(
          (error: unknown) => note("warn", "build.log", { build, error: String(error) }),
        ),
      );
  }

  #status(name: string, status: Status): Promise<void> {
    const { accepting, reason, freeBytes } = status;
    const facts = { origin: name, accepting, reason, freeBytes };
    note(accepting ? "info" : "warn", "origin.status", facts);
    this.#origins.status(name, status);
    return this.#dispatch.schedule();
  }

  async #welcome(socket: WebSocket, name: string, said: Hello): Promise<void> {
    const { packageSet, sandboxedOnly, s3, zstd } = await readConfig(this.env);
    const origin = configuredOrigins(this.env).get(name);
    if (origin === undefined) return void close(socket, CLOSE.unauthorized, REVOKED);
    const admission = admit(said, origin, {
      packageSet,
      sandboxedOnly,
      signsUploads: s3 !== null,
    });
    if ("refused" in admission) {
      note("error", "origin.mismatch", { origin: name, reason: admission.refused });
      return void close(socket, admission.code, admission.refused);
    }
    const { hello } = admission;
    const now = Date.now();
    this.#origins.enter(socket, hello, now);
    this.#origins.send(name, {
      type: "welcome",
      protocol: PROTOCOL_VERSION,
      origin: name,
      zstd,
      origins: this.#keysInForce(),
    });
    note("info", "origin.connected", {
      origin: name,
      key: attachmentOf(socket).key,
      systems: hello.systems,
      slots: hello.slots,
      version: hello.version,
      nix: hello.nix,
      sandbox: hello.sandbox,
    });
    this.#results.resume(name, hello.running, now);
    for (const job of hello.running) this.#toldOfFollowers(name, job);
    await this.#announced(name, hello.revisions);
    await this.#dispatch.schedule();
  }

  /** Public keys of the origins whose records count, by name. */
  #keysInForce(): Record<string, string> {
    const names = [...configuredOrigins(this.env).keys()];
    return Object.fromEntries(
      names.flatMap((name) => {
        const key = this.#keyOf(name);
        return key === undefined ? [] : [[name, key]];
      }),
    );
  }

  /**
   * An origin tells what a tag means. Only of a package set that the origin itself holds (a
   * directory, the starter set) it knows better than whoever resolved the tag last; what a channel
   * or a git ref means is for an item to find out, and so is what the bucket does not take now.
   */
  async #announced(
    name: string,
    revisions: readonly { tag: string; revision: string }[],
  ): Promise<void> {
    const { packageSet } = await readConfig(this.env);
    const origin = configuredOrigins(this.env).get(name);
    for (const { tag, revision } of revisions) {
      if (origin === undefined || !mayResolve(origin, tag)) continue;
      this.#origins.has(name, revision);
      if (packageSet.kind !== "path" && packageSet.kind !== "starter") continue;
      const said = { packageSet: packageSet.id, tag, revision };
      await this.#publication
        .announce(said, name)
        .catch((error: unknown) =>
          note("error", "farm.storage", { origin: name, tag, problem: String(error) }),
        );
    }
  }
}

type LogMessage = Extract<FromOrigin, { type: "log" }>;

/** RFC 6455, section 7.4.1. */
const NORMAL_CLOSE = 1000;
const INTERNAL_ERROR = 1011;
