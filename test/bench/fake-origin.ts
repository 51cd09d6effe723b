/** An origin for measurements: a real socket, and a failure at once for whatever it is given. */
import { once } from "node:events";
import { WebSocket } from "ws";
import { CONNECT_PATH, type FromEdge, PING } from "../../edge/contract/messages.ts";
import { readOriginKey } from "../../origin/channel/key.ts";
import { signToken } from "../../origin/channel/token.ts";
import type { FarmEdge } from "../edge/farm/farm-edge.ts";
import { hello } from "../edge/farm/raw-origin.ts";
import { REVISION } from "../edge/farm/records.ts";
import { soon } from "../harness/soon.ts";

const FAILURE = { reason: "failed", message: "a measurement builds nothing" } as const;

/** Well within the lease, ms. */
const PING_EVERY = 20_000;

export class FakeOrigin {
  readonly #socket: WebSocket;
  /** Told of every item that it is given: the package's name, and when (performance.now). */
  onItem: (name: string, now: number) => void = () => undefined;

  private constructor(socket: WebSocket, welcomed: () => void) {
    this.#socket = socket;
    socket.on("error", () => undefined);
    const pings = setInterval(() => socket.send(PING), PING_EVERY);
    socket.on("close", () => clearInterval(pings));
    socket.on("message", (data: Buffer) => {
      const now = performance.now();
      const text = data.toString("utf8");
      if (!text.startsWith("{")) return;
      const message = JSON.parse(text) as FromEdge;
      if (message.type === "welcome") welcomed();
      if (message.type !== "job") return;
      for (const item of message.items) if (item.kind === "package") this.onItem(item.name, now);
      this.#say({ type: "accepted", job: message.job });
      this.#say({ type: "failed", job: message.job, failure: FAILURE });
    });
  }

  /** Resolves when the farm has welcomed it. `key`: Ed25519 private key. */
  static async connect(edge: FarmEdge, name: string, key: string): Promise<FakeOrigin> {
    const token = await signToken(readOriginKey(key), name, edge.host);
    const socket = new WebSocket(`ws://${edge.host}${CONNECT_PATH}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    const origin = new FakeOrigin(socket, resolve);
    await soon(`${name} connects`, once(socket, "open"));
    origin.#say({ ...hello, slots: 1, revisions: [{ tag: "latest", revision: REVISION }] });
    await soon(`${name} is welcomed`, promise);
    return origin;
  }

  accepting(accepting: boolean): void {
    this.#say({ type: "status", accepting });
  }

  close(): void {
    this.#socket.terminate();
  }

  #say(message: object): void {
    this.#socket.send(JSON.stringify(message));
  }
}
