/**
 * The sockets of origins in the Farm object: each origin has one connection, the newest. The runtime
 * keeps sockets over hibernation; which of them is an origin's is found again by its attachment.
 */
import { CLOSE, type FromEdge } from "../../contract/messages.ts";
import { note } from "../../log.ts";
import { type Attachment, attachmentOf, close, isOpen, pingedAt, seenOf } from "./sockets.ts";

export class Connections {
  readonly #ctx: DurableObjectState;
  /** By origin: the socket that it said hello on. */
  readonly #sockets = new Map<string, WebSocket>();

  constructor(ctx: DurableObjectState) {
    this.#ctx = ctx;
  }

  /**
   * Takes up a connection that outlived the object's memory. Returns when it was last heard of, ms
   * since 1970; undefined when there is none any more.
   */
  find(name: string, connection: string): { readonly seen: number } | undefined {
    const socket = this.#ctx
      .getWebSockets(name)
      .find((each) => isOpen(each) && attachmentOf(each).connection === connection);
    if (socket === undefined) return undefined;
    this.#sockets.set(name, socket);
    return { seen: seenOf(this.#ctx, socket) };
  }

  /** Whether the origin has a socket, whatever it has said on it. */
  has = (name: string): boolean => this.#ctx.getWebSockets(name).length > 0;

  /** Makes the socket, which said hello, the origin's only one; others are closed with the reason. */
  replace(name: string, socket: WebSocket, reason: string): void {
    const attachment = attachmentOf(socket);
    for (const other of this.#ctx.getWebSockets(name))
      if (attachmentOf(other).connection !== attachment.connection)
        close(other, CLOSE.replaced, reason);
    socket.serializeAttachment({ ...attachment, hello: true } satisfies Attachment);
    this.#sockets.set(name, socket);
  }

  /** Closes all sockets of the origin. */
  end(name: string, code: number, reason: string): void {
    for (const socket of this.#ctx.getWebSockets(name)) close(socket, code, reason);
    this.forget(name);
  }

  /** The origin's socket was closed. */
  forget(name: string): void {
    this.#sockets.delete(name);
  }

  /** False when it has no connection that takes messages. */
  send(name: string, message: FromEdge): boolean {
    const socket = this.#sockets.get(name);
    try {
      socket?.send(JSON.stringify(message));
      return socket !== undefined;
    } catch {
      return false;
    }
  }

  /** When each origin pinged last, ms since 1970. */
  *pings(): Generator<readonly [name: string, at: number]> {
    for (const [name, socket] of this.#sockets) yield [name, pingedAt(this.#ctx, socket)];
  }

  /**
   * Closes the sockets on which no hello came within `ms`, whatever pings came. Returns when the
   * next one is due, ms since 1970; Infinity when no other waits for its hello.
   */
  endMute(now: number, ms: number): number {
    let next = Infinity;
    for (const socket of this.#ctx.getWebSockets().filter(isOpen)) {
      const { hello, connectedAt, name } = attachmentOf(socket);
      if (hello) continue;
      const due = connectedAt + ms;
      if (now < due) next = Math.min(next, due);
      else {
        note("warn", "origin.mute", { origin: name });
        close(socket, CLOSE.lost, `no hello within ${ms / 1_000} s of connecting`);
      }
    }
    return next;
  }

  /** What all sockets carry, those too on which nothing was said yet. */
  attachments(): Attachment[] {
    return this.#ctx.getWebSockets().map(attachmentOf);
  }
}
