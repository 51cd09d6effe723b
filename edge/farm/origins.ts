/**
 * The farm's connected origins: their sockets, and beside them in SQLite what they said of
 * themselves, so that both survive hibernation and an origin whose connection dropped is remembered
 * until it is back.
 */
import type { Caller } from "./token.ts";
import { keyInForce } from "./token.ts";
import type { Env } from "../env.ts";
import type { System } from "../contract/records.ts";
import { MAX_REVISIONS } from "./limits.ts";
import { CLOSE, type FromEdge } from "../contract/messages.ts";
import type { Hello } from "./admission.ts";
import type { OriginState } from "./schedule.ts";

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

interface OriginRow extends Record<string, SqlStorageValue> {
  name: string;
  connection: string;
  systems: string;
  slots: number;
  leaving: number;
  /** Whether it takes jobs, as its last status said. */
  accepting: number;
  /** When its connection dropped; null while it is connected. */
  gone: number | null;
  revisions: string;
}

export const REVOKED = "this origin's key was revoked";
const REPLACED =
  "a newer connection of this origin's name took its place; two origins need two names";

export class Origins {
  readonly #ctx: DurableObjectState;
  readonly #env: Env;
  readonly #sql: SqlStorage;
  /**
   * Connection → when its last message came. Lost in hibernation, which lasts less than a PING's
   * interval while the origin lives.
   */
  readonly #heard = new Map<string, number>();

  constructor(ctx: DurableObjectState, env: Env) {
    this.#ctx = ctx;
    this.#env = env;
    this.#sql = ctx.storage.sql;
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS origins (name TEXT PRIMARY KEY, connection TEXT NOT NULL, systems TEXT NOT NULL, slots INTEGER NOT NULL,
        leaving INTEGER NOT NULL DEFAULT 0, gone INTEGER, revisions TEXT NOT NULL DEFAULT '[]', accepting INTEGER NOT NULL DEFAULT 1);
      CREATE TABLE IF NOT EXISTS revoked (name TEXT PRIMARY KEY) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS tokens (jti TEXT PRIMARY KEY, expires INTEGER NOT NULL) WITHOUT ROWID;
    `);
  }

  /**
   * Lets no origin of this name in any more, whatever the configuration says, and ends its
   * connection. Returns whether it had one.
   */
  revoke(name: string): boolean {
    this.#sql.exec("INSERT OR IGNORE INTO revoked (name) VALUES (?)", name);
    const connected = this.#ctx.getWebSockets(name).length > 0;
    this.drop(name, CLOSE.unauthorized, REVOKED);
    return connected;
  }

  /** Takes `revoke` back; false when nothing was revoked. */
  reinstate(name: string): boolean {
    return this.#sql.exec("DELETE FROM revoked WHERE name = ?", name).rowsWritten > 0;
  }

  isRevoked(name: string): boolean {
    return this.#sql.exec("SELECT 1 FROM revoked WHERE name = ?", name).toArray().length > 0;
  }

  /** Uses up a token; false when it was used before. */
  redeem({ name, jti, expires }: Caller, now: number): boolean {
    this.#sql.exec("DELETE FROM tokens WHERE expires <= ?", now);
    return (
      this.#sql.exec(
        "INSERT OR IGNORE INTO tokens (jti, expires) VALUES (?, ?)",
        `${name} ${jti}`,
        expires,
      ).rowsWritten > 0
    );
  }

  /**
   * After a restart of the object: origins whose sockets did not survive it have gone now. Says
   * whether there are any.
   */
  reconcile(now: number): boolean {
    return (
      this.#rows()
        .filter((row) => row.gone === null && this.#socket(row) === undefined)
        .map((row) => this.#sql.exec("UPDATE origins SET gone = ? WHERE name = ?", now, row.name))
        .length > 0
    );
  }

  /**
   * Takes the socket as the origin's one connection. The newest wins: an older one is most likely
   * dead and does not know it yet.
   */
  enter(socket: WebSocket, hello: Hello): void {
    const attachment = attachmentOf(socket);
    for (const other of this.#ctx.getWebSockets(attachment.name))
      if (attachmentOf(other).connection !== attachment.connection)
        close(other, CLOSE.replaced, REPLACED);
    socket.serializeAttachment({ ...attachment, hello: true } satisfies Attachment);
    const revisions = [
      ...new Set([
        ...hello.revisions.map(({ revision }) => revision),
        ...this.#known(attachment.name),
      ]),
    ].slice(0, MAX_REVISIONS);
    this.#sql.exec(
      "INSERT OR REPLACE INTO origins (name, connection, systems, slots, revisions) VALUES (?, ?, ?, ?, ?)",
      attachment.name,
      attachment.connection,
      JSON.stringify(hello.systems),
      hello.slots,
      JSON.stringify(revisions),
    );
  }

  /**
   * Notes that a message came; false when the socket has been replaced or its key revoked, and was
   * closed for it.
   */
  heard(socket: WebSocket, now: number): boolean {
    const { connection, name, hello } = attachmentOf(socket);
    const row = this.#row(name);
    if (hello && row?.connection !== connection) return close(socket, CLOSE.replaced, REPLACED);
    if (this.#revoked(socket)) return close(socket, CLOSE.unauthorized, REVOKED);
    this.#heard.set(connection, now);
    return true;
  }

  /** Remembers that the origin has this revision. */
  has(name: string, revision: string): void {
    const revisions = [...new Set([revision, ...this.#known(name)])].slice(0, MAX_REVISIONS);
    this.#sql.exec(
      "UPDATE origins SET revisions = ? WHERE name = ?",
      JSON.stringify(revisions),
      name,
    );
  }

  /** What its status says. */
  accepting(name: string, accepting: boolean): void {
    this.#sql.exec("UPDATE origins SET accepting = ? WHERE name = ?", accepting ? 1 : 0, name);
  }

  leave(name: string): void {
    this.#sql.exec("UPDATE origins SET leaving = 1 WHERE name = ?", name);
  }

  /** Its socket closed: one that said bye is forgotten at once, another is waited for. */
  closed(socket: WebSocket, now: number): void {
    const { connection } = attachmentOf(socket);
    this.#heard.delete(connection);
    this.#sql.exec("DELETE FROM origins WHERE connection = ? AND leaving = 1", connection);
    this.#sql.exec(
      "UPDATE origins SET gone = ? WHERE connection = ? AND gone IS NULL",
      now,
      connection,
    );
  }

  /** Closes its socket and forgets it. */
  drop(name: string, code: number, reason: string): void {
    for (const socket of this.#ctx.getWebSockets(name)) close(socket, code, reason);
    this.#sql.exec("DELETE FROM origins WHERE name = ?", name);
  }

  /**
   * Drops the origins whose key was changed or taken out of the configuration; returns their names.
   */
  dropRevoked(): string[] {
    const sockets = this.#ctx
      .getWebSockets()
      .filter((socket) => this.#revoked(socket))
      .map((socket) => attachmentOf(socket).name);
    const absent = this.#rows()
      .filter(({ name }) => keyInForce(name, this.#env) === undefined)
      .map(({ name }) => name);
    const revoked = new Set([...sockets, ...absent]);
    for (const name of revoked) this.drop(name, CLOSE.unauthorized, REVOKED);
    return [...revoked];
  }

  /** False when it has no connection that takes messages. */
  send(name: string, message: FromEdge): boolean {
    const row = this.#row(name);
    try {
      const socket = row && this.#socket(row);
      socket?.send(JSON.stringify(message));
      return socket !== undefined;
    } catch {
      return false;
    }
  }

  states(now: number): OriginState[] {
    return this.#rows().map((row) => {
      const socket = row.gone === null ? this.#socket(row) : undefined;
      return {
        name: row.name,
        systems: JSON.parse(row.systems) as System[],
        slots: row.slots,
        seen: socket === undefined ? (row.gone ?? now) : this.#seen(socket),
        connected: socket !== undefined,
        leaving: row.leaving === 1,
        accepting: row.accepting === 1,
        revisions: JSON.parse(row.revisions) as string[],
      };
    });
  }

  #seen(socket: WebSocket): number {
    const { connection, connectedAt } = attachmentOf(socket);
    return Math.max(
      connectedAt,
      this.#heard.get(connection) ?? 0,
      this.#ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0,
    );
  }

  #revoked(socket: WebSocket): boolean {
    const { name, key } = attachmentOf(socket);
    return keyInForce(name, this.#env) !== key;
  }

  #socket(row: OriginRow): WebSocket | undefined {
    return this.#ctx
      .getWebSockets(row.name)
      .find(
        (socket) =>
          socket.readyState === WebSocket.OPEN &&
          attachmentOf(socket).connection === row.connection,
      );
  }

  #rows = (): OriginRow[] => this.#sql.exec<OriginRow>("SELECT * FROM origins").toArray();
  #row = (name: string): OriginRow | undefined =>
    this.#sql.exec<OriginRow>("SELECT * FROM origins WHERE name = ?", name).toArray()[0];
  #known = (name: string): string[] => JSON.parse(this.#row(name)?.revisions ?? "[]") as string[];
}

export const attachmentOf = (socket: WebSocket): Attachment =>
  socket.deserializeAttachment() as Attachment;

/** A close frame has room for 123 bytes of reason (RFC 6455, section 5.5). */
const MAX_CLOSE_REASON = 120;

/**
 * Closes a socket that may be closing already. Returns false, for whoever asks whether it is still
 * good.
 */
export function close(socket: WebSocket, code: number, reason: string): false {
  try {
    socket.close(code, reason.slice(0, MAX_CLOSE_REASON));
  } catch {
    // It was closed by the other end already.
  }
  return false;
}
