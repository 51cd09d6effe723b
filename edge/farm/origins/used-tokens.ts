/**
 * Tokens that origins have connected with: each opens one connection. In the Farm object's SQLite.
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

  /** Uses up a token; false when it was used before. `now`: ms since 1970. */
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
