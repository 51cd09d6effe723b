/** One connection to an edge, from the token to the close. */
import type { KeyObject } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { lookup } from "node:dns";
import { Agent } from "node:https";
import * as v from "valibot";
import { WebSocket } from "ws";
import {
  CLOSE,
  CONNECT_PATH,
  type FromEdge,
  FromEdgeSchema,
  type FromOrigin,
  MAX_MESSAGE,
  PING,
  PONG,
} from "../../edge/contract/messages.ts";
import { type Reach, spaceOfEdge } from "./destinations.ts";
import { signToken } from "./token.ts";

/** How a connection ended. */
export interface End {
  readonly why: string;
  /** Whether only a person can resolve it (wrong key, another package set). */
  readonly refused: boolean;
  /** Time since the welcome, ms; 0 without one. */
  readonly lasted: number;
  /**
   * How far the edge's clock is ahead of this machine's, ms: set when the edge refused the token
   * and the clocks differ by more than CLOCK_SKEW.
   */
  readonly clockOffset?: number;
}

export interface SessionOptions {
  readonly edge: URL;
  readonly name: string;
  readonly key: KeyObject;
  readonly pingMs: number;
  /** How far the edge's clock is known to be ahead of this machine's, ms. */
  readonly clockOffset: number;
  /** The connection is there, before anything is said on it. */
  readonly onReached: (reach: Reach) => void;
  readonly hello: () => Extract<FromOrigin, { type: "hello" }>;
  readonly onMessage: (message: FromEdge) => void;
}

export interface Session {
  /** Sends the message; drops it before the edge's welcome, and when the connection has ended. */
  send(message: FromOrigin): void;
  close(): void;
  readonly ended: Promise<End>;
}

/**
 * Longest time from the first packet to the upgrade, and from hello to welcome, ms: Durable Objects
 * may take some seconds to start.
 */
const HANDSHAKE = 15_000;
/** How long the edge may take to close its side, ms. */
const CLOSING = 2_000;
/** HTTP statuses and close codes after which an attempt soon afterwards would fail as well. */
const REFUSED_STATUS = new Set([401, 403, 404, 426]);
const REFUSED_CODES = new Set<number>([
  CLOSE.unauthorized,
  CLOSE.mismatch,
  CLOSE.replaced,
  CLOSE.protocol,
]);

/** Difference of clocks that no token fails by, ms; a Date header has whole seconds. */
const CLOCK_SKEW = 3_000;

/** Opens a connection. Redirects are not followed: the token is for this edge alone. */
export async function openSession(options: SessionOptions): Promise<Session> {
  const { edge, name, key, clockOffset } = options;
  const token = await signToken(key, name, edge.host, Date.now() + clockOffset);
  const url = new URL(CONNECT_PATH, edge);
  url.protocol = { "http:": "ws:", "https:": "wss:" }[url.protocol] ?? url.protocol;
  const secure = url.protocol === "wss:";
  let direct = !secure;
  // Behind a proxy the edge's name is not resolved here.
  const agent = new Agent({
    proxyEnv: process.env,
    lookup: (hostname, options, callback) => {
      direct ||= hostname === url.hostname;
      lookup(hostname, options, callback);
    },
  });
  const socket = new WebSocket(url, {
    headers: { authorization: `Bearer ${token}` },
    handshakeTimeout: HANDSHAKE,
    maxPayload: MAX_MESSAGE,
    perMessageDeflate: false,
    ...(secure ? { agent } : {}),
  });
  socket.on("upgrade", ({ socket: connection }) =>
    options.onReached({ secure, space: spaceOfEdge(url, connection, direct) }),
  );
  return new SocketSession(socket, options);
}

class SocketSession implements Session {
  readonly ended: Promise<End>;
  readonly #socket: WebSocket;
  readonly #options: SessionOptions;
  readonly #pings: NodeJS.Timeout;
  /** Ends the connection when no welcome comes. */
  #handshake: NodeJS.Timeout | undefined;
  #welcomedAt: number | undefined;
  /** Whether anything has come since the last ping. */
  #answered = true;
  /** Why it ends: the first cause. */
  #why: string | undefined;
  #refused = false;
  #clockOffset: number | undefined;

  constructor(socket: WebSocket, options: SessionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#pings = setInterval(() => this.#ping(), options.pingMs);
    socket.on("open", () => this.#opened());
    socket.on("message", (data, isBinary) =>
      this.#take(isBinary ? "" : (data as Buffer).toString("utf8")),
    );
    socket.on("unexpected-response", (request, response) => {
      this.#notUpgraded(response);
      response.resume();
      request.destroy();
      socket.terminate();
    });
    socket.on("error", (error) => (this.#why ??= error.message));
    this.ended = new Promise((resolve) => {
      socket.on("close", (code, reason) => resolve(this.#end(code, reason.toString("utf8"))));
    });
  }

  send(message: FromOrigin): void {
    if (this.#welcomedAt !== undefined && this.#socket.readyState === WebSocket.OPEN)
      this.#socket.send(JSON.stringify(message));
  }

  close(): void {
    const socket = this.#socket;
    if (socket.readyState === WebSocket.CONNECTING) return socket.terminate();
    socket.close(1000);
    const timer = setTimeout(() => socket.terminate(), CLOSING);
    socket.once("close", () => clearTimeout(timer));
  }

  #giveUp(why: string): void {
    this.#why ??= why;
    this.#socket.terminate();
  }

  #ping(): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    if (!this.#answered)
      return this.#giveUp(`no answer to a ping within ${this.#options.pingMs} ms`);
    this.#answered = false;
    this.#socket.send(PING);
  }

  #opened(): void {
    this.#socket.send(JSON.stringify(this.#options.hello()));
    const late = (): void => this.#giveUp(`no welcome within ${HANDSHAKE} ms`);
    this.#handshake = setTimeout(late, HANDSHAKE);
  }

  #take(text: string): void {
    this.#answered = true;
    if (text === PONG) return;
    const message = parse(text);
    if (message === undefined)
      return this.#giveUp(
        `the edge sent a message that is not of this protocol: ${text.slice(0, 200)}`,
      );
    if (message.type === "welcome") {
      clearTimeout(this.#handshake);
      this.#welcomedAt = performance.now();
    }
    this.#options.onMessage(message);
  }

  #notUpgraded(response: IncomingMessage): void {
    const { edge, clockOffset } = this.#options;
    const { statusCode = 0, headers } = response;
    this.#why ??= `the edge answered ${statusCode}${meaningOf(response, edge)}`;
    const offset = Date.parse(headers.date ?? "") - Date.now();
    const clockDiffers = Math.abs(offset - clockOffset) > CLOCK_SKEW;
    if (statusCode === 401 && clockDiffers) this.#clockOffset = offset;
    else this.#refused = REFUSED_STATUS.has(statusCode);
  }

  #end(code: number, reason: string): End {
    clearInterval(this.#pings);
    clearTimeout(this.#handshake);
    return {
      why: this.#why ?? `closed with ${code}${reason === "" ? "" : `: ${reason}`}`,
      refused: this.#refused || REFUSED_CODES.has(code),
      lasted: this.#welcomedAt === undefined ? 0 : performance.now() - this.#welcomedAt,
      ...(this.#clockOffset === undefined ? {} : { clockOffset: this.#clockOffset }),
    };
  }
}

/** The likely meaning of an answer that is not an upgrade. */
function meaningOf({ statusCode = 0, headers }: IncomingMessage, { host }: URL): string {
  if (statusCode === 401)
    return (
      `: it does not know this origin's name and key, or this machine's clock is wrong, or the ` +
      `edge's EDGE_HOST is not ${host}`
    );
  if (statusCode >= 300 && statusCode < 400)
    return `: a redirect to ${headers.location ?? "elsewhere"}; FIRN_EDGES must have the edge's own URL`;
  return "";
}

function parse(text: string): FromEdge | undefined {
  try {
    const message = v.safeParse(FromEdgeSchema, JSON.parse(text));
    return message.success ? message.output : undefined;
  } catch {
    return undefined;
  }
}
