/**
 * The farm's origins: their connections, their state in the schedule, and a copy of that in SQLite,
 * so that an origin is remembered over hibernation, and for a while after its connection dropped.
 */
import { keyInForce } from "./token.ts";
import type { Env } from "../../env.ts";
import { type ConfiguredOrigin, configuredOrigins } from "./configured-origins.ts";
import { MAX_REVISIONS } from "../limits.ts";
import { CLOSE, type FromEdge, type FromOrigin } from "../../contract/messages.ts";
import { Controls } from "./controls.ts";
import { factsNow, latest, type OriginFacts, stateOf } from "./origin-facts.ts";
import type { Schedule } from "../schedule/schedule.ts";
import { Connections } from "./connections.ts";
import { attachmentOf, close } from "./sockets.ts";
import { StoredOrigins } from "./stored-origins.ts";

export type Hello = Extract<FromOrigin, { type: "hello" }>;
export type Status = Extract<FromOrigin, { type: "status" }>;

export const REVOKED = "this origin's key was revoked";
const REPLACED =
  "a newer connection of this origin's name took its place; two origins need two names";

export class Origins {
  readonly #env: Env;
  readonly #stored: StoredOrigins;
  readonly #schedule: Schedule;
  /** Origins that operators have revoked or drained. */
  readonly controls: Controls;
  readonly #connections: Connections;
  /** Whether sockets were dropped when the object was restarted. */
  readonly someLost: boolean;
  /** ORIGINS when every origin was compared with it last. */
  #compared: string | undefined;

  /** Reads what is kept; an origin whose socket did not survive has gone at `now`. */
  constructor(ctx: DurableObjectState, env: Env, schedule: Schedule, now: number) {
    this.#connections = new Connections(ctx);
    this.#env = env;
    this.#schedule = schedule;
    this.controls = new Controls(ctx.storage.sql);
    this.#stored = new StoredOrigins(ctx.storage.sql);
    this.someLost = this.#stored.all().filter((facts) => !this.#takeUp(facts, now)).length > 0;
  }

  /** Takes up an origin that is stored. False when its socket was dropped since. */
  #takeUp(facts: OriginFacts, now: number): boolean {
    const socket = this.#connections.find(facts.name, facts.connection);
    const isLost = facts.gone === null && socket === undefined;
    const current = isLost ? { ...facts, gone: now } : facts;
    if (isLost) this.#stored.save(current);
    this.#enter(current, socket?.seen ?? current.gone ?? now);
    return !isLost;
  }

  /** Every origin that is remembered. */
  get facts(): readonly OriginFacts[] {
    return this.#stored.all().map((facts) => this.#current(facts));
  }

  /**
   * Refuses origins of this name from now on, and ends its connection. Returns whether it had one.
   */
  revoke(name: string): boolean {
    this.controls.set(name, "revoked", true);
    const connected = this.#connections.has(name);
    this.#drop(name);
    return connected;
  }

  /**
   * Makes the socket the origin's one connection. The newest wins: an older one is most likely a
   * connection that broke unnoticed.
   */
  enter(socket: WebSocket, hello: Hello, now: number): void {
    const { name, connection } = attachmentOf(socket);
    this.#connections.replace(name, socket, REPLACED);
    const known = this.#schedule.origins.get(name);
    const { systems, slots, version, nix, sandbox, features = [] } = hello;
    const revisions = latest(
      hello.revisions.map(({ revision }) => revision),
      known?.revisions ?? [],
    );
    const { failures = 0, restUntil = 0, onTrial = false } = known ?? {};
    const health = { failures, restUntil, onTrial };
    const said = { name, connection, systems, slots, version, nix, sandbox, features, revisions };
    const facts = { ...said, ...health, accepting: true, leaving: false, gone: null };
    this.#stored.save(facts);
    this.#enter(facts, now);
  }

  #enter(facts: OriginFacts, seen: number): void {
    const drained = this.controls.is(facts.name, "drained");
    const configured = this.#configured().get(facts.name);
    this.#schedule.enter(stateOf(facts, configured, { drained, seen }));
  }

  /**
   * Notes that a message came; false when the socket has been replaced or its key revoked, and was
   * closed for it.
   */
  heard(socket: WebSocket, now: number): boolean {
    // The edge closed it while its message was on the way: a newer connection replaced it.
    if (socket.readyState !== WebSocket.OPEN) return false;
    const { connection, name, key, hello } = attachmentOf(socket);
    if (hello && this.#stored.get(name)?.connection !== connection)
      return close(socket, CLOSE.replaced, REPLACED);
    if (keyInForce(name, this.#env) !== key) return close(socket, CLOSE.unauthorized, REVOKED);
    const state = hello ? this.#schedule.origins.get(name) : undefined;
    if (state !== undefined) state.seen = now;
    return true;
  }

  /**
   * Reads when the last pings came, which the runtime answers by itself. Call it before it matters
   * which origins are there: before leases are checked, and before an item ends for want of one.
   */
  refresh(): void {
    for (const [name, pinged] of this.#connections.pings()) {
      const state = this.#schedule.origins.get(name);
      if (state?.connected) state.seen = Math.max(state.seen, pinged);
    }
  }

  /** Closes connections that say no hello (connections.ts). */
  endMute(now: number, ms: number): number {
    return this.#connections.endMute(now, ms);
  }

  /** Remembers that the origin has this revision. */
  has(name: string, revision: string): void {
    const state = this.#schedule.origins.get(name);
    if (state === undefined || state.revisions.has(revision)) return;
    state.revisions.add(revision);
    for (const oldest of state.revisions) {
      if (state.revisions.size <= MAX_REVISIONS) break;
      state.revisions.delete(oldest);
    }
    this.save(name);
  }

  /** Notes a status message. */
  status(name: string, { accepting, reason, freeBytes }: Status): void {
    const state = this.#schedule.origins.get(name);
    if (state === undefined) return;
    if (accepting) state.pausedAt = 0;
    else if (state.accepting) state.pausedAt = Date.now();
    state.accepting = accepting;
    this.save(name, { reason, freeBytes });
  }

  leave(name: string): void {
    const state = this.#schedule.origins.get(name);
    if (state === undefined) return;
    state.leaving = true;
    this.save(name);
  }

  /** Its socket closed: one that said bye is forgotten at once, another is waited for. */
  closed(socket: WebSocket, now: number): void {
    const { connection, name } = attachmentOf(socket);
    const state = this.#schedule.origins.get(name);
    if (state === undefined || this.#stored.get(name)?.connection !== connection) return;
    this.#connections.forget(name);
    if (state.leaving) return this.#forget(name);
    if (state.connected) Object.assign(state, { connected: false, seen: now });
    this.save(name);
  }

  /**
   * Closes the socket of an origin that fell silent; it counts as gone since it was last heard of.
   */
  lose(name: string): void {
    this.#connections.end(name, CLOSE.lost, "silent for too long");
    this.save(name);
  }

  /** Closes the socket of an origin that was revoked, and forgets it. */
  #drop(name: string): void {
    this.#connections.end(name, CLOSE.unauthorized, REVOKED);
    this.#forget(name);
  }

  #forget(name: string): void {
    this.#connections.forget(name);
    this.#schedule.origins.delete(name);
    this.#stored.delete(name);
  }

  /**
   * Drops the origins whose key was changed or taken out of the configuration, when that changed;
   * returns their names.
   */
  dropRevoked(): string[] {
    if (this.#compared === (this.#env.ORIGINS ?? "")) return [];
    this.#compared = this.#env.ORIGINS ?? "";
    const sockets = this.#connections
      .attachments()
      .filter(({ name, key }) => keyInForce(name, this.#env) !== key);
    const absent = this.#stored
      .all()
      .filter(({ name }) => keyInForce(name, this.#env) === undefined);
    const revoked = new Set([...sockets, ...absent].map(({ name }) => name));
    for (const name of revoked) this.#drop(name);
    for (const facts of this.facts)
      this.#enter(facts, this.#schedule.origins.get(facts.name)?.seen ?? 0);
    return [...revoked];
  }

  /** False when it has no connection that takes messages. */
  send(name: string, message: FromEdge): boolean {
    return this.#connections.send(name, message);
  }

  /** Keeps what the schedule knows of an origin now, and what else is given. */
  save(name: string, more: Partial<OriginFacts> = {}): void {
    const facts = this.#stored.get(name);
    if (facts !== undefined) this.#stored.save({ ...this.#current(facts), ...more });
  }

  #current = (facts: OriginFacts): OriginFacts =>
    factsNow(facts, this.#schedule.origins.get(facts.name));

  /** Empty when ORIGINS is malformed: then no key is in force either. */
  #configured(): ReadonlyMap<string, ConfiguredOrigin> {
    try {
      return configuredOrigins(this.#env);
    } catch {
      return new Map();
    }
  }
}
