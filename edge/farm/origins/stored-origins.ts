/** What the farm stores about origins, in the Farm object's SQLite: one row each, by name. */
import type { OriginFacts } from "./origin-facts.ts";

export class StoredOrigins {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS known_origins (
        name TEXT PRIMARY KEY, data TEXT NOT NULL) WITHOUT ROWID;
    `);
  }

  all(): OriginFacts[] {
    return this.#sql
      .exec<{ data: string }>("SELECT data FROM known_origins")
      .toArray()
      .map(({ data }) => JSON.parse(data) as OriginFacts);
  }

  save(facts: OriginFacts): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO known_origins (name, data) VALUES (?, ?)",
      facts.name,
      JSON.stringify(facts),
    );
  }

  delete(name: string): void {
    this.#sql.exec("DELETE FROM known_origins WHERE name = ?", name);
  }
}
