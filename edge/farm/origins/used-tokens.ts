/**
 * Tokens with which origins have connected, in the Farm object's SQLite: each opens one connection.
 */
import type { Caller } from "./token.ts";

export class UsedTokens {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS tokens (
        jti TEXT PRIMARY KEY, expires INTEGER NOT NULL) WITHOUT ROWID;
      CREATE INDEX IF NOT EXISTS tokens_by_expiry ON tokens (expires);
    `);
  }

  /** Marks a token as used; false when it already was. `now`: ms since 1970. */
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
}
