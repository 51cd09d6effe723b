/**
 * The Farm object: holds a region's connected origins and hands them jobs. It only carries out what schedule.ts decides, and wakes for messages, for
 * requests of Build objects and for its alarm; between these it hibernates with all its connections, whatever is being built.
 */
import { DurableObject } from "cloudflare:workers";
import { openBucket } from "../bucket/open.ts";
import { readConfig } from "../config.ts";
import type { Env } from "../env.ts";
import { writeTag } from "../registry/tags.ts";
import { Untrue } from "./check.ts";
import { CALLER_HEADER, unauthorized } from "./connect.ts";
import { MAX_QUEUED, TIMES, type Times } from "./limits.ts";
import { note } from "./log.ts";
import { attachmentOf, type Attachment, close, type Hello, Origins } from "./origins.ts";
import { type Fate, failed, piecesOf, type Settlement } from "./pieces.ts";
import { readMessage } from "./messages.ts";
import { CLOSE, type Failure, type FromOrigin, PING, PONG, PROTOCOL_VERSION, type Result, type Work } from "./protocol.ts";
import { Publication } from "./publication.ts";
import { type Job, Queue } from "./queue.ts";
import { type Decision, isServed, schedule } from "./schedule.ts";
import type { Caller } from "./token.ts";

/** What the farm says to a Build that brings work: `taken`, with what is known already; the rest is told to `Build.settle` later. */
export type Reply = { readonly state: "taken"; readonly settled: readonly Settlement[] } | { readonly state: "no-origin" } | { readonly state: "queue-full" };

export class Farm extends DurableObject<Env> {
  readonly #queue: Queue;
  readonly #origins: Origins;
  readonly #publication: Publication;
  /** Jobs whose result is being published in this moment. */
  readonly #publishing = new Set<string>();

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG));
    this.#queue = new Queue(ctx.storage);
    this.#origins = new Origins(ctx, env);
    this.#publication = new Publication(openBucket(env));
    const now = Date.now();
    if (this.#origins.reconcile(now)) void ctx.storage.setAlarm(now + this.times.reconnect);
  }

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
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server, [caller.name]);
    server.serializeAttachment({ connection: crypto.randomUUID(), name: caller.name, key: caller.key, connectedAt: now, hello: false } satisfies Attachment);
    return new Response(null, { status: 101, webSocket: client });
  }

  /** Takes the pieces of `work` that the build does not have yet; idempotent. */
  async request(build: string, work: Work, have: readonly string[]): Promise<Reply> {
    const now = Date.now();
    const { settled, busy, fresh } = this.#queue.sort(piecesOf(work).filter(({ key }) => !have.includes(key)), now);
    if (fresh.length > 0) {
      this.#origins.dropRevoked();
      const system = work.kind === "publish" ? work.system : undefined;
      if (!isServed(system, this.#origins.states(now), now, this.times)) return { state: "no-origin" };
      if (this.#queue.queued >= MAX_QUEUED) return { state: "queue-full" };
      this.#queue.add(crypto.randomUUID(), work, fresh, now);
    }
    this.#queue.want(build, [...busy, ...fresh]);
    await this.#schedule();
    return { state: "taken", settled };
  }

  override async alarm(): Promise<void> {
    await this.#schedule();
  }

  override async webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): Promise<void> {
    if (!this.#origins.heard(socket, Date.now())) return;
    const { name, hello } = attachmentOf(socket);
    const read = readMessage(data);
    if (read.kind === "message") {
      if (hello === (read.message.type === "hello")) return void close(socket, CLOSE.protocol, "hello comes first, and once");
      try {
        return await this.#take(socket, name, read.message);
      } catch (error) {
        // The bucket or the configuration: the origin comes back and says again what was not dealt with.
        note("error", "origin.message", { origin: name, type: read.message.type, error: String(error) });
        return void close(socket, INTERNAL_ERROR, "the edge has trouble; try again");
      }
    }
    note("error", "origin.protocol", { origin: name, problem: read.problem });
    if (read.kind === "nonsense") close(socket, CLOSE.protocol, read.problem);
    else await this.#refuseResult(name, read.job, read.problem);
  }

  override async webSocketClose(socket: WebSocket): Promise<void> {
    this.#origins.closed(socket, Date.now());
    await this.#schedule();
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    await this.webSocketClose(socket);
  }

  #take(socket: WebSocket, name: string, message: FromOrigin): Promise<void> | void {
    switch (message.type) {
      case "hello":
        return this.#welcome(socket, name, message);
      case "accepted":
        return this.#queue.accept(message.job, name);
      case "log":
        return note("debug", "origin.log", { origin: name, job: message.job, lines: message.lines });
      case "refused":
        return this.#handBack(name, message.job, message.message);
      case "done":
        return this.#done(name, message.job, message.result);
      case "failed":
        return this.#failed(name, message.job, message.failure);
      case "revision":
        return this.#announced(name, [message]);
      case "bye":
        this.#origins.leave(name);
        return this.#schedule();
    }
  }

  async #welcome(socket: WebSocket, name: string, hello: Hello): Promise<void> {
    const { packageSet } = await readConfig(this.env);
    const mismatch =
      hello.protocol !== PROTOCOL_VERSION ? `the edge speaks protocol ${PROTOCOL_VERSION}, this origin ${hello.protocol}`
      : hello.packageSet !== packageSet.id ? `the edge serves package set ${packageSet.id}, this origin ${hello.packageSet}`
      : undefined;
    if (mismatch !== undefined) {
      note("error", "origin.mismatch", { origin: name, reason: mismatch });
      return void close(socket, CLOSE.mismatch, mismatch);
    }
    this.#origins.enter(socket, hello);
    this.#origins.send(name, { type: "welcome", protocol: PROTOCOL_VERSION, origin: name, zstd: this.env.ZSTD === "on" });
    note("info", "origin.connected", { origin: name, systems: hello.systems, slots: hello.slots, version: hello.version, nix: hello.nix });
    const running = new Set(hello.running);
    for (const job of this.#queue.jobs()) {
      if (!running.has(job.id)) {
        if (job.holder?.origin === name) this.#queue.takeBack(job, `origin ${name} came back without it`, { attempted: true });
      } else if (job.holder === undefined || job.holder.origin === name) {
        this.#queue.accept(job.id, name);
        this.#queue.reclaim(job.id, name, Date.now());
        running.delete(job.id);
      }
    }
    for (const job of running) this.#origins.send(name, { type: "cancel", job });
    await this.#announced(name, hello.revisions);
    await this.#schedule();
  }

  /**
   * An origin tells what a tag means. Only of a package set that the origin itself holds (a directory, the starter set) it knows better than whoever resolved
   * the tag last; what a channel or a git ref means is for a resolve to find out.
   */
  async #announced(name: string, revisions: readonly { tag: string; revision: string }[]): Promise<void> {
    const { packageSet } = await readConfig(this.env);
    for (const { tag, revision } of revisions) {
      this.#origins.has(name, revision);
      if (packageSet.kind === "path" || packageSet.kind === "starter") await writeTag(openBucket(this.env), packageSet.id, tag, revision);
    }
  }

  async #done(name: string, id: string, result: Result): Promise<void> {
    const job = this.#queue.job(id);
    if (job === undefined) return void this.#origins.send(name, { type: "settled", job: id });
    // The same result again, from an origin that reconnected meanwhile: the first one is being dealt with.
    if (this.#publishing.has(id)) return;
    this.#publishing.add(id);
    let fates: Map<string, Fate>;
    try {
      fates = await this.#publication.publish(job.work, result);
    } catch (error) {
      note("error", error instanceof Untrue ? "origin.untrue" : "farm.publication", { origin: name, job: id, problem: String(error) });
      return await this.#refuseResult(name, id, error instanceof Error ? error.message : String(error));
    } finally {
      this.#publishing.delete(id);
    }
    const troubled = [...fates].filter(([, fate]) => fate.kind === "failure" && fate.failure.reason === "error");
    for (const [piece] of troubled) fates.delete(piece);
    if (job.work.kind === "publish") this.#origins.has(name, job.work.revision);
    this.#settle(job, fates);
    const trouble = troubled[0]?.[1];
    if (trouble?.kind === "failure") {
      note("warn", "job.trouble", { origin: name, job: id, message: trouble.failure.message });
      this.#queue.split(job, crypto.randomUUID(), `origin ${name}: ${trouble.failure.message}`, { [name]: Date.now() + this.times.avoid });
    }
    await this.#finished(job, name);
  }

  async #failed(name: string, id: string, failure: Failure): Promise<void> {
    const job = this.#queue.job(id);
    if (job === undefined) return void this.#origins.send(name, { type: "settled", job: id });
    if (failure.reason === "error") this.#troubled(job, name, failure.message);
    else {
      const seen = await this.#publication.failure(failure);
      this.#settle(job, new Map(piecesOf(job.work).map((piece) => [piece.key, failed(piece, seen)])));
    }
    await this.#finished(job, name);
  }

  /** A result that is not taken: the attempt was made, and another origin makes the next. */
  async #refuseResult(name: string, id: string, problem: string): Promise<void> {
    const job = this.#queue.job(id);
    if (job !== undefined) this.#troubled(job, name, `the edge did not take its result: ${problem}`);
    this.#origins.send(name, { type: "settled", job: id });
    await this.#schedule();
  }

  async #handBack(name: string, id: string, message: string): Promise<void> {
    const job = this.#queue.job(id);
    if (job?.holder?.origin !== name) return;
    note("info", "job.refused", { origin: name, job: id, message });
    this.#queue.takeBack(job, `origin ${name} refused: ${message}`, { attempted: false, avoidUntil: Date.now() + this.times.avoid });
    await this.#schedule();
  }

  /** The origin's own trouble with a job: another one should try, unless another one has it already. */
  #troubled(job: Job, name: string, message: string): void {
    note("warn", "job.trouble", { origin: name, job: job.id, message });
    if (job.holder?.origin === name) this.#queue.takeBack(job, `origin ${name}: ${message}`, { attempted: true, avoidUntil: Date.now() + this.times.avoid });
  }

  /** The origin may forget the job; and if it was given to another one meanwhile and is settled, that one may stop. */
  async #finished(job: Job, name: string): Promise<void> {
    this.#origins.send(name, { type: "settled", job: job.id });
    const holder = job.holder?.origin;
    if (holder !== undefined && holder !== name && this.#queue.job(job.id) === undefined) this.#origins.send(holder, { type: "cancel", job: job.id });
    await this.#schedule();
  }

  /** Settles pieces and tells those who want them. A notice that gets lost is made good by Build's own asking. */
  #settle(job: Job, fates: ReadonlyMap<string, Fate>): void {
    for (const [build, settlements] of this.#queue.settle(job, fates, Date.now())) {
      const lost = (error: unknown): void => note("warn", "build.notice", { build, error: String(error) });
      this.ctx.waitUntil(Promise.resolve(this.env.BUILD.getByName(build).settle(settlements)).catch(lost));
    }
  }

  /** Carries out the schedule, and sets the alarm for the next look. */
  async #schedule(): Promise<void> {
    const now = Date.now();
    this.#queue.forget(now);
    for (const name of this.#origins.dropRevoked()) note("warn", "origin.revoked", { origin: name });
    // What is being published stays with its origin until that is over.
    const jobs = this.#queue.jobs().filter(({ id }) => !this.#publishing.has(id));
    const { decisions, wakeAt } = schedule(jobs, this.#origins.states(now), now, this.times);
    for (const decision of decisions) this.#carryOut(decision, now);
    if (wakeAt === null) await this.ctx.storage.deleteAlarm();
    else await this.ctx.storage.setAlarm(wakeAt);
  }

  #carryOut(decision: Decision, now: number): void {
    if (decision.kind !== "assign") note("warn", `job.${decision.kind}`, decision);
    if (decision.kind === "drop") return this.#origins.drop(decision.origin, CLOSE.lost, "silent for too long");
    const job = this.#queue.job(decision.job);
    if (job === undefined) return;
    const settleAll = (fate: (piece: ReturnType<typeof piecesOf>[number]) => Fate): void => this.#settle(job, new Map(piecesOf(job.work).map((piece) => [piece.key, fate(piece)])));
    switch (decision.kind) {
      case "take-back":
        this.#origins.send(decision.origin, { type: "cancel", job: job.id });
        return this.#queue.takeBack(job, decision.reason, { attempted: true, avoidUntil: now + this.times.avoid });
      case "give-up":
        return settleAll((piece) => failed(piece, { reason: "error", message: decision.reason.slice(0, MAX_REASON) }));
      case "no-origin":
        return settleAll(() => ({ kind: "no-origin" }));
      case "assign":
        this.#queue.hold(job.id, decision.origin, now);
        // Not sent: the connection is closing, and its end takes the job back.
        this.#origins.send(decision.origin, { type: "job", job: job.id, work: job.work });
    }
  }
}

/** RFC 6455, section 7.4.1. */
const INTERNAL_ERROR = 1011;
/** Longest message of a failure (protocol.ts, FailureSchema). */
const MAX_REASON = 2_000;
