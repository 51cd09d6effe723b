/**
 * An origin that says exactly what a test wants, over a real socket: to be rude, slow, or gone
 * without a word.
 */
import { once } from "node:events";
import { WebSocket } from "ws";
import {
  CONNECT_PATH,
  type FromEdge,
  PING,
  PONG,
  PROTOCOL_VERSION,
} from "../../../edge/contract/messages.ts";
import { readOriginKey } from "../../../origin/channel/key.ts";
import { signToken } from "../../../origin/channel/token.ts";
import { Inbox } from "../../harness/inbox.ts";
import { soon } from "../../harness/soon.ts";
import type { FarmEdge } from "./farm-edge.ts";
import { keys } from "./origins.ts";

export const hello = {
  type: "hello",
  protocol: PROTOCOL_VERSION,
  version: "raw",
  nix: "2.8.0",
  sandbox: true,
  nixVulnerable: false,
  systems: ["x86_64-linux"],
  slots: 2,
  packageSet: { id: "starter", label: "starter" },
  revisions: [],
  running: [],
  ownBucket: true,
};

export interface RawOrigin {
  /** Text and bytes are sent as they are. */
  say(message: object | string | Buffer): void;
  /** The next message of this type, past or future; each is returned once. */
  heard<T extends FromEdge["type"]>(type: T): Promise<Extract<FromEdge, { type: T }>>;
  /** Pings; resolves when that is answered. */
  ping(): Promise<void>;
  /** The code that the edge closed with. */
  closed(): Promise<number>;
  /** The reason that the edge closed with. */
  closedBecause(): Promise<string>;
  /** Says that it leaves, and closes; resolves when the farm has heard of both. */
  leave(): Promise<void>;
  /** Cuts the connection without a word. */
  cut(): void;
}

/** Opens the socket; says nothing yet. */
export async function rawOrigin(edge: FarmEdge, name: string): Promise<RawOrigin> {
  const token = await signToken(readOriginKey(keys[name]?.privateKey ?? ""), name, edge.host);
  const socket = new WebSocket(`ws://${edge.host}${CONNECT_PATH}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const inbox = new Inbox<FromEdge>(name);
  const pinged: (() => void)[] = [];
  socket.on("message", (data: Buffer) => {
    const text = data.toString("utf8");
    if (text === PONG) for (const resolve of pinged.splice(0)) resolve();
    else inbox.add(JSON.parse(text) as FromEdge);
  });
  socket.on("error", () => undefined);
  const end = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.on("close", (code, reason) => resolve({ code, reason: reason.toString("utf8") })),
  );
  const closed = (): Promise<{ code: number; reason: string }> =>
    soon(`the edge closes the connection of ${name}`, end);
  await soon(`${name} connects`, once(socket, "open"));
  return {
    say: (message) =>
      socket.send(
        typeof message === "string" || Buffer.isBuffer(message) ? message : JSON.stringify(message),
      ),
    heard: (type) => inbox.heard(type),
    ping: () => {
      const answered = new Promise<void>((resolve) => pinged.push(resolve));
      socket.send(PING);
      return soon(`a ping of ${name} is answered`, answered);
    },
    closed: async () => (await closed()).code,
    closedBecause: async () => (await closed()).reason,
    leave: async () => {
      socket.send(JSON.stringify({ type: "bye" }));
      socket.close();
      await soon(`the edge hears that ${name} leaves`, end);
    },
    cut: () => socket.terminate(),
  };
}

/** One that the farm has let in: it may be given jobs from now on. */
export async function welcomed(edge: FarmEdge, name: string, said = {}): Promise<RawOrigin> {
  const origin = await rawOrigin(edge, name);
  origin.say({ ...hello, ...said });
  await origin.heard("welcome");
  return origin;
}
