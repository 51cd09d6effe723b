/** Sockets of origins: what each carries through hibernation, and closing it. */

/** What a socket carries through hibernation. */
export interface Attachment {
  readonly connection: string;
  readonly name: string;
  /** The public key (`x`) that it proved to have. */
  readonly key: string;
  readonly connectedAt: number;
  /** Whether it said hello; before that it can say nothing else. */
  readonly hello: boolean;
}

export const attachmentOf = (socket: WebSocket): Attachment =>
  socket.deserializeAttachment() as Attachment;

/** When its last ping came, ms since 1970; 0 when none did. */
export const pingedAt = (ctx: DurableObjectState, socket: WebSocket): number =>
  ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0;

/** When the socket was last heard of, as far as it tells itself. */
export const seenOf = (ctx: DurableObjectState, socket: WebSocket): number =>
  Math.max(attachmentOf(socket).connectedAt, pingedAt(ctx, socket));

export const isOpen = (socket: WebSocket): boolean => socket.readyState === WebSocket.OPEN;

/** A close frame has room for 123 bytes of reason (RFC 6455, section 5.5). */
const MAX_CLOSE_REASON = 120;

/**
 * Closes a socket that may be closing already. Returns false: the socket is not usable any more.
 */
export function close(socket: WebSocket, code: number, reason: string): false {
  try {
    socket.close(code, reason.slice(0, MAX_CLOSE_REASON));
  } catch {
    // It was closed by the other end already.
  }
  return false;
}
