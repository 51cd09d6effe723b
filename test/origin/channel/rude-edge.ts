/**
 * A WebSocket server in the edge's place that does just what a test wants: refuses, falls silent,
 * or hangs up.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { type WebSocket, WebSocketServer } from "ws";
import {
  CONNECT_PATH,
  type FromEdge,
  type FromOrigin,
  PING,
  PONG,
} from "../../../edge/contract/messages.ts";
import { Inbox } from "../../harness/inbox.ts";
import { soon } from "../../harness/soon.ts";

export interface RudeConnection {
  readonly request: IncomingMessage;
  readonly socket: WebSocket;
  say(message: FromEdge | string): void;
  /** The next message of this type, past or future; each is returned once. */
  heard<T extends FromOrigin["type"]>(type: T): Promise<Extract<FromOrigin, { type: T }>>;
}

export interface RudeEdge {
  readonly url: URL;
  /** The next connection. */
  connected(): Promise<RudeConnection>;
}

/**
 * `status`: answer every upgrade with it instead. `clock`: what the edge's clock shows then, ms.
 * `pong`: whether pings are answered.
 */
export async function rudeEdge(
  t: TestContext,
  {
    status,
    clock = Date.now(),
    pong = true,
  }: { status?: number; clock?: number; pong?: boolean } = {},
): Promise<RudeEdge> {
  const http = createServer();
  const server = new WebSocketServer({ noServer: true, autoPong: false });
  const connections: RudeConnection[] = [];
  const takers: ((connection: RudeConnection) => void)[] = [];
  http.on("upgrade", (request, stream, head) => {
    if (status !== undefined || request.url !== CONNECT_PATH)
      return void stream.end(
        `HTTP/1.1 ${status ?? 404} No\r\ndate: ${new Date(clock).toUTCString()}\r\n` +
          "location: http://127.0.0.1:1/\r\nconnection: close\r\n\r\n",
      );
    server.handleUpgrade(request, stream, head, (socket) => {
      const connection = listen(request, socket, pong);
      const taker = takers.shift();
      if (taker === undefined) connections.push(connection);
      else taker(connection);
    });
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  t.after(() => {
    for (const client of server.clients) client.terminate();
    http.close();
  });
  return {
    url: new URL(`http://127.0.0.1:${(http.address() as AddressInfo).port}`),
    connected: () => {
      const connection = connections.shift();
      return connection === undefined
        ? soon("an origin connects", new Promise((resolve) => takers.push(resolve)))
        : Promise.resolve(connection);
    },
  };
}

function listen(request: IncomingMessage, socket: WebSocket, pong: boolean): RudeConnection {
  const inbox = new Inbox<FromOrigin>("the edge");
  socket.on("message", (data: Buffer) => {
    const text = data.toString("utf8");
    if (text === PING) return void (pong && socket.send(PONG));
    inbox.add(JSON.parse(text) as FromOrigin);
  });
  return {
    request,
    socket,
    say: (message) => socket.send(typeof message === "string" ? message : JSON.stringify(message)),
    heard: (type) => inbox.heard(type),
  };
}
