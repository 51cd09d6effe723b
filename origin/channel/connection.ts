/**
 * An origin's end of the channel to one edge: connects to it, says hello, runs the jobs that it is
 * given, and reconnects when the connection is lost. Jobs outlive connections: they go on running,
 * and their results are sent on the next connection.
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  type FromEdge,
  type FromOrigin,
  PING_SECONDS,
  PROTOCOL_VERSION,
  TAGS_PROTOCOL,
} from "../../edge/contract/messages.ts";
import { AnnouncedTags } from "./announced-tags.ts";
import { backoff, refusedBackoff } from "./backoff.ts";
import { Jobs } from "./jobs.ts";
import type { EdgeTerms } from "./run.ts";
import { Destinations } from "./destinations.ts";
import type { Channel, ChannelState, ChannelStatus, ConnectOptions } from "./types.ts";
import { readOriginKey } from "./key.ts";
import { type CacheRequests, Requests } from "./requests.ts";
import { signer } from "./sign.ts";
import { openSession, type Session } from "./session.ts";
import { Slots } from "./slots.ts";

/**
 * Default of `drainMs`: systemd kills a service 90 s after SIGTERM, and jobs that cannot finish
 * must be handed back before that.
 */
const DRAIN = 60_000;
/** After a connection that lasted this long, ms, the next failure counts as the first again. */
const STABLE = 30_000;
/** How long `drain` waits for the edge to confirm the last results, ms. */
const CONFIRM = 5_000;

/** Connects, and stays connected until `drain`. Throws at once when the key is invalid. */
export function connect(options: ConnectOptions): Channel {
  return new Connection(options);
}

class Connection implements Channel {
  readonly #options: ConnectOptions;
  readonly #destinations: Destinations;
  readonly #requests: Requests;
  readonly #jobs: Jobs;
  readonly #tags = new AnnouncedTags();
  readonly #stop = new AbortController();
  readonly #over: Promise<void>;
  #state: ChannelState = "connecting";
  #session: Session | undefined;
  #terms: EdgeTerms;
  /** How far the edge's clock is ahead of this machine's, ms. */
  #clockOffset = 0;
  #status: ChannelStatus | undefined;
  #tagNames: readonly string[] | undefined;
  /** The edge's version of the protocol (EDGE_PROTOCOL). */
  #edgeProtocol = 0;
  #drained: Promise<void> | undefined;

  constructor(options: ConnectOptions) {
    const key = readOriginKey(options.key);
    this.#options = options;
    this.#destinations = options.destinations ?? new Destinations();
    const { run, logger, hello, slots = new Slots(hello.slots) } = options;
    const send = (message: FromOrigin): void => this.#send(message);
    this.#requests = new Requests(options.edge.host, this.#destinations, send);
    this.#jobs = new Jobs({ run, slots, logger, send, requests: this.#requests });
    this.#terms = { zstd: false, sign: signer(key) };
    this.#over = this.#stayConnected(key);
  }

  get state(): ChannelState {
    return this.#state;
  }

  get cache(): CacheRequests {
    return this.#requests.cache;
  }

  announce(tag: string, revision: string): void {
    this.#tags.set(tag, revision);
    if (this.#state === "connected") this.#sendTags();
  }

  listTags(tags: readonly string[]): void {
    this.#tagNames = tags;
    if (this.#state === "connected") this.#sendTagNames();
  }

  status(status: ChannelStatus): void {
    this.#status = status;
    this.#jobs.pause(status.accepting ? undefined : (status.reason ?? "this origin takes no jobs"));
    this.#send({ type: "status", ...status });
  }

  drain(): Promise<void> {
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  async #drain(): Promise<void> {
    this.#become("draining");
    this.#send({ type: "bye" });
    await this.#jobs.drain("this origin is stopping", this.#options.drainMs ?? DRAIN, CONFIRM);
    this.#stop.abort();
    this.#session?.close();
    await this.#over;
    this.#become("closed");
  }

  async #stayConnected(key: ReturnType<typeof readOriginKey>): Promise<void> {
    const { edge, name, logger, pingMs = PING_SECONDS * 1_000 } = this.#options;
    for (let failures = 0; !this.#stop.signal.aborted;) {
      this.#become("connecting");
      const session = await openSession({
        edge,
        name,
        key,
        pingMs,
        clockOffset: this.#clockOffset,
        onReached: (reach) => this.#destinations.edgeIsAt(reach),
        hello: () => this.#hello(),
        onMessage: (message) => this.#take(message),
      });
      this.#session = session;
      if (this.#stop.signal.aborted) session.close();
      const end = await session.ended;
      this.#session = undefined;
      if (this.#stop.signal.aborted) return;
      failures = end.lasted >= STABLE ? 1 : failures + 1;
      const random = Math.random();
      if (end.clockOffset !== undefined) {
        this.#clockOffset = end.clockOffset;
        const seconds = Math.round(end.clockOffset / 1_000);
        logger.warn(
          { edge: edge.host, seconds },
          "this machine's clock differs from the edge's, which is used for tokens",
        );
      }
      const wait = end.refused ? refusedBackoff(random) : backoff(failures, random);
      const facts = {
        edge: edge.host,
        origin: name,
        why: end.why,
        again: `in ${Math.ceil(wait / 1_000)} s`,
      };
      if (end.refused) logger.error(facts, "the edge refuses this origin");
      else
        logger.warn(
          facts,
          end.lasted > 0 ? "lost the connection to the edge" : "cannot connect to the edge",
        );
      this.#become("waiting");
      await sleep(wait, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  #hello(): Extract<FromOrigin, { type: "hello" }> {
    const { systems, features = [], ...said } = this.#options.hello;
    return {
      type: "hello",
      protocol: PROTOCOL_VERSION,
      ...said,
      systems: [...systems],
      features: [...features],
      revisions: this.#tags.all(),
      running: this.#jobs.ids(),
    };
  }

  #take(message: FromEdge): void {
    switch (message.type) {
      case "welcome":
        this.#terms = { ...this.#terms, zstd: message.zstd };
        this.#edgeProtocol = message.protocol;
        this.#options.logger.info(
          { edge: this.#options.edge.host, origin: message.origin },
          "connected to the edge",
        );
        if (this.#status !== undefined) this.#send({ type: "status", ...this.#status });
        if (this.#drained === undefined) this.#become("connected");
        else this.#send({ type: "bye" });
        this.#sendTags();
        this.#sendTagNames();
        this.#requests.repeatAll();
        return this.#jobs.repeatAll();
      case "job":
        return this.#jobs.start(message, this.#terms);
      case "settled":
        return this.#jobs.settled(message.job);
      case "repeat":
        return this.#jobs.repeat(message.job);
      case "cancel":
        return this.#jobs.cancel(message.job);
      case "follow":
        return this.#jobs.follow(message.job, message.on);
      case "uploads":
      case "layers":
      case "url":
      case "error":
        return this.#requests.answer(message);
    }
  }

  #sendTags(): void {
    for (const changed of this.#tags.unsent()) this.#send({ type: "revision", ...changed });
  }

  #sendTagNames(): void {
    if (this.#tagNames === undefined || this.#edgeProtocol < TAGS_PROTOCOL) return;
    this.#send({ type: "tags", tags: [...this.#tagNames] });
  }

  #send(message: FromOrigin): void {
    this.#session?.send(message);
  }

  #become(state: ChannelState): void {
    if (
      this.#state === state ||
      this.#state === "closed" ||
      (this.#drained !== undefined && state !== "closed" && this.#state === "draining")
    )
      return;
    this.#state = state;
    this.#options.onState?.(state);
  }
}
