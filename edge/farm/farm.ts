/**
 * The Farm object (Durable Object), one in each region: holds the connected origins and gives them
 * jobs. It wakes for messages of origins, for requests of Build objects and of operators, and for
 * its alarm. In between it hibernates with all its connections, also while origins build.
 * parts.ts has what it is made of.
 */
import { DurableObject } from "cloudflare:workers";
import { PING, PONG } from "../contract/messages.ts";
import type { Item } from "../contract/items.ts";
import type { Env, FarmRpc } from "../env.ts";
import type { Asker, Reply } from "./builds/answer.ts";
import { noteSettings } from "./changed-settings.ts";
import { TIMES, type Times } from "./limits.ts";
import { acceptConnection } from "./origins/connect.ts";
import { close } from "./origins/sockets.ts";
import type { FarmOverview } from "./overview.ts";
import { type FarmParts, farmParts } from "./parts.ts";

export class Farm extends DurableObject<Env> implements FarmRpc {
  readonly #parts: FarmParts;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG));
    this.#parts = farmParts({ ctx, env, times: () => this.times });
    ctx.waitUntil(noteSettings(ctx.storage, env));
    // Origins whose sockets were dropped have this long to come back.
    if (this.#parts.origins.someLost) this.#parts.wakeBy(Date.now() + this.times.reconnect);
  }

  /** The waiting times in force. */
  protected get times(): Times {
    return TIMES;
  }

  /** A connection of an origin that connect.ts has identified. */
  override async fetch(request: Request): Promise<Response> {
    const { usedTokens, origins, wakeBy } = this.#parts;
    const isRevoked = (name: string): boolean => origins.controls.is(name, "revoked");
    const answer = acceptConnection(request, { ctx: this.ctx, usedTokens, isRevoked });
    if (answer.webSocket != null) wakeBy(Date.now() + this.times.hello);
    return answer;
  }

  /* Build objects. */

  /** Takes what is wanted into the queue, unless it is there; idempotent (intake.ts). */
  async request(build: string, items: readonly Item[], asker: Asker): Promise<Reply> {
    return this.#parts.intake.request({ build, items, ...asker });
  }

  /** A Build object has followers, or has none any more (followed-builds.ts). */
  async follow(build: string, on: boolean): Promise<void> {
    this.#parts.followed.follow(build, on, Date.now());
  }

  /* Operators. */

  async revoke(name: string): Promise<boolean> {
    return this.#parts.operators.revoke(name);
  }

  async reinstate(name: string): Promise<boolean> {
    return this.#parts.operators.reinstate(name);
  }

  async drain(name: string, drained = true): Promise<boolean> {
    return this.#parts.operators.drain(name, drained);
  }

  async rest(name: string, ms: number): Promise<boolean> {
    return this.#parts.operators.rest(name, ms);
  }

  async overview(): Promise<FarmOverview> {
    return this.#parts.operators.overview();
  }

  /* The runtime. */

  override async alarm(): Promise<void> {
    const { alarm, rolls, dispatch } = this.#parts;
    alarm.rang();
    await rolls.wake(Date.now());
    await dispatch.schedule(true);
  }

  override async webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): Promise<void> {
    if (!this.#parts.origins.heard(socket, Date.now())) return;
    await this.#parts.messages.read(socket, data);
  }

  override async webSocketClose(socket: WebSocket): Promise<void> {
    // A socket that may hibernate is not closed by the runtime in turn; without this the origin
    // would wait for it.
    close(socket, NORMAL_CLOSE, "");
    this.#parts.origins.closed(socket, Date.now());
    await this.#parts.dispatch.schedule(true);
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    await this.webSocketClose(socket);
  }
}

/** RFC 6455, section 7.4.1. */
const NORMAL_CLOSE = 1000;
