/**
 * What the farm remembers about origins, in the Farm object's SQLite: one row each, by name. A copy
 * is in memory, because it is read often.
 */
import type { OriginFacts } from "./origin-facts.ts";

export class StoredOrigins {
  readonly #sql: SqlStorage;
  readonly #facts = new Map<string, OriginFacts>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS known_origins (
        name TEXT PRIMARY KEY, data TEXT NOT NULL) WITHOUT ROWID;
    `);
    for (const { data } of this.#sql.exec<{ data: string }>("SELECT data FROM known_origins")) {
      const facts = JSON.parse(data) as OriginFacts;
      this.#facts.set(facts.name, facts);
    }
  }

  all = (): OriginFacts[] => [...this.#facts.values()];

  get = (name: string): OriginFacts | undefined => this.#facts.get(name);

  save(facts: OriginFacts): void {
    this.#facts.set(facts.name, facts);
    this.#sql.exec(
      "INSERT OR REPLACE INTO known_origins (name, data) VALUES (?, ?)",
      facts.name,
      JSON.stringify(facts),
    );
  }

  delete(name: string): void {
    this.#facts.delete(name);
    this.#sql.exec("DELETE FROM known_origins WHERE name = ?", name);
  }
}
