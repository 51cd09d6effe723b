/** Sockets of origins: the data that each keeps through hibernation, and closing one. */

/** The data that a socket keeps through hibernation. */
export interface Attachment {
  readonly connection: string;
  readonly name: string;
  /** The public key (`x`) for which it proved to have the private one. */
  readonly key: string;
  readonly connectedAt: number;
  /** Whether it said hello; before that nothing else is accepted. */
  readonly hello: boolean;
}

/** The data of a socket. */
export const attachmentOf = (socket: WebSocket): Attachment =>
  socket.deserializeAttachment() as Attachment;

/** Time of its last ping, ms since 1970; 0 when there was none. */
export const pingedAt = (ctx: DurableObjectState, socket: WebSocket): number =>
  ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0;

/** When the socket was last heard from, as far as the socket itself tells. */
export const seenOf = (ctx: DurableObjectState, socket: WebSocket): number =>
  Math.max(attachmentOf(socket).connectedAt, pingedAt(ctx, socket));

/** Whether messages can be sent. */
export const isOpen = (socket: WebSocket): boolean => socket.readyState === WebSocket.OPEN;

/**
 * A close frame has room for 123 bytes of reason (RFC 6455, section 5.5); the runtime refuses to
 * close a socket with a longer one.
 */
const MAX_CLOSE_REASON = 123;

/** As much of a text as has room in a close frame, in whole characters. */
function cut(reason: string): string {
  const bytes = new TextEncoder().encode(reason);
  if (bytes.length <= MAX_CLOSE_REASON) return reason;
  return new TextDecoder().decode(bytes.subarray(0, MAX_CLOSE_REASON)).replace(/\uFFFD$/, "");
}

/** Closes a socket, which may already be closing. Returns false: it can no longer be used. */
export function close(socket: WebSocket, code: number, reason: string): false {
  try {
    socket.close(code, cut(reason));
  } catch {
    // The other end has already closed it.
  }
  return false;
}
