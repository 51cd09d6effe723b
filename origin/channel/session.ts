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

/**
 * How a connection ended. `refused`: only a person can resolve it. `lasted`: ms since the welcome,
 * 0 without one.
 */
export interface End {
  readonly why: string;
  readonly refused: boolean;
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
  /**
   * Drops the message when the edge has not said welcome yet, or the connection is no longer open.
   */
  send(message: FromOrigin): void;
  close(): void;
  readonly ended: Promise<End>;
}

/**
 * Longest time from the first packet to the upgrade, and from hello to welcome, ms: a slow start of
 * the edge's objects, with a margin.
 */
const HANDSHAKE = 15_000;
/** How long the edge may take to close its side, ms: everything has been said. */
const CLOSING = 2_000;
/** Statuses and close codes after which trying again soon does not help. */
const REFUSED_STATUS = new Set([401, 403, 404, 426]);
const REFUSED_CODES = new Set<number>([
  CLOSE.unauthorized,
  CLOSE.mismatch,
  CLOSE.replaced,
  CLOSE.protocol,
]);

/** Clock difference at which no token fails yet, ms; a Date header has whole seconds. */
const CLOCK_SKEW = 3_000;

/** Opens a connection. Redirects are not followed: the token is for this edge only. */
export async function openSession({
  edge,
  name,
  key,
  pingMs,
  clockOffset,
  onReached,
  hello,
  onMessage,
}: SessionOptions): Promise<Session> {
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
  let welcomedAt: number | undefined;
  let refusal: string | undefined;
  let trouble: string | undefined;
  let edgeClock: number | undefined;
  let answered = true;

  const give = (why: string): void => {
    trouble ??= why;
    socket.terminate();
  };
  const pings = setInterval(() => {
    if (socket.readyState !== WebSocket.OPEN) return;
    if (!answered) return give(`no answer to a ping within ${pingMs} ms`);
    answered = false;
    socket.send(PING);
  }, pingMs);
  let welcome: NodeJS.Timeout | undefined;

  const ended = new Promise<End>((resolve) => {
    socket.on("upgrade", ({ socket: connection }) =>
      onReached({ secure, space: spaceOfEdge(url, connection, direct) }),
    );
    socket.on("open", () => {
      socket.send(JSON.stringify(hello()));
      welcome = setTimeout(() => give(`no welcome within ${HANDSHAKE} ms`), HANDSHAKE);
    });
    socket.on("message", (data, isBinary) => {
      answered = true;
      const text = isBinary ? "" : (data as Buffer).toString("utf8");
      if (text === PONG) return;
      const message = parse(text);
      if (message === undefined)
        return give(`the edge sent a message that is not of this protocol: ${text.slice(0, 200)}`);
      if (message.type === "welcome") {
        clearTimeout(welcome);
        welcomedAt = performance.now();
      }
      onMessage(message);
    });
    socket.on("unexpected-response", (request, response) => {
      const offset = Date.parse(response.headers.date ?? "") - Date.now();
      const clockDiffers = Math.abs(offset - clockOffset) > CLOCK_SKEW;
      if (response.statusCode === 401 && clockDiffers) edgeClock = offset;
      const why = `the edge answered ${response.statusCode}${meaningOf(response, edge)}`;
      if (REFUSED_STATUS.has(response.statusCode ?? 0) && edgeClock === undefined) refusal = why;
      trouble ??= why;
      response.resume();
      request.destroy();
      socket.terminate();
    });
    socket.on("error", (error) => {
      trouble ??= error.message;
    });
    socket.on("close", (code, reason) => {
      clearInterval(pings);
      clearTimeout(welcome);
      const why =
        trouble ?? `closed with ${code}${reason.length > 0 ? `: ${reason.toString("utf8")}` : ""}`;
      resolve({
        why,
        refused: refusal !== undefined || REFUSED_CODES.has(code),
        lasted: welcomedAt === undefined ? 0 : performance.now() - welcomedAt,
        ...(edgeClock === undefined ? {} : { clockOffset: edgeClock }),
      });
    });
  });

  return {
    send: (message) => {
      if (welcomedAt !== undefined && socket.readyState === WebSocket.OPEN)
        socket.send(JSON.stringify(message));
    },
    close: () => {
      if (socket.readyState === WebSocket.CONNECTING) return socket.terminate();
      socket.close(1000);
      const timer = setTimeout(() => socket.terminate(), CLOSING);
      socket.once("close", () => clearTimeout(timer));
    },
    ended,
  };
}

/** The likely meaning of an answer that is not an upgrade. */
function meaningOf({ statusCode = 0, headers }: IncomingMessage, { host }: URL): string {
  if (statusCode === 401)
    return (
      `: it does not know this origin's name and key, or this machine's clock is wrong, or the ` +
      `edge's EDGE_HOST is not ${host}`
    );
  // Not followed: the token is for one edge alone.
  if (statusCode >= 300 && statusCode < 400)
    return `: it sends to ${headers.location ?? "elsewhere"}; FIRN_EDGES must have the edge's own URL`;
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
