/**
 * A network on 127.0.0.1: a TCP proxy that hands on every byte half of the round-trip time after it
 * came. What a client sends first waits for one round trip more, since a connection over a network
 * is not open earlier. What the server sends shares one line of a given bandwidth. Packets, their
 * loss, and TCP's slow start are not modelled.
 *
 *   rtt 40 ms     client      proxy                  server
 *   0             connects →
 *   0             request  →  held: 40 + 20
 *   60                                request     →
 *   60                        held: 20            ←  answer
 *   80            answer   ←
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface Network {
  /** Round-trip time, milliseconds. */
  readonly rtt: number;
  /** Megabits per second to the clients, of all connections together; unlimited when left out. */
  readonly mbit?: number;
}

export interface Delay {
  readonly port: number;
  stop(): Promise<void>;
}

/** Most bytes on their way in one direction of a connection; the sender waits then. */
const MAX_HELD_BYTES = 16 * 2 ** 20;

/** `target`: port on 127.0.0.1. */
export async function startDelay(target: number, { rtt, mbit }: Network): Promise<Delay> {
  const sockets = new Set<Socket>();
  const down = new Line(mbit);
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const upstream = connect({
      host: "127.0.0.1",
      port: target,
      allowHalfOpen: true,
      noDelay: true,
    });
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => sockets.delete(socket));
    }
    const up = new Line(undefined, performance.now() + rtt);
    handOn(client, upstream, up, rtt / 2);
    handOn(upstream, client, down, rtt / 2);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}

/** What bytes go through one after another. */
class Line {
  readonly #bytesPerMs: number;
  /** When the next byte can go, by performance.now(). */
  #free: number;

  constructor(mbit = Number.POSITIVE_INFINITY, open = 0) {
    this.#bytesPerMs = (mbit * 1_000) / 8;
    this.#free = open;
  }

  /** How long it takes until so many more bytes are through, milliseconds. */
  send(bytes: number): number {
    const now = performance.now();
    this.#free = Math.max(this.#free, now) + bytes / this.#bytesPerMs;
    return this.#free - now;
  }
}

/** Writes to `to` what comes from `from`, `delay` after it went through the line. */
function handOn(from: Socket, to: Socket, line: Line, delay: number): void {
  const held: (Buffer | null)[] = [];
  let bytes = 0;
  // Each timer hands on the oldest, not its own: timers of different lengths may swap places.
  const release = (): void => {
    const chunk = held.shift();
    if (to.destroyed) return;
    if (chunk === null || chunk === undefined) return void to.end();
    to.write(chunk, () => {
      bytes -= chunk.length;
      if (bytes < MAX_HELD_BYTES) from.resume();
    });
  };
  const hold = (chunk: Buffer | null): void => {
    held.push(chunk);
    bytes += chunk?.length ?? 0;
    if (bytes >= MAX_HELD_BYTES) from.pause();
    setTimeout(release, line.send(chunk?.length ?? 0) + delay);
  };
  from.on("data", hold);
  from.on("end", () => hold(null));
}
