/**
 * Origins that an operator has revoked or drained, by name, until that is undone. Kept whether or
 * not the origin is connected; they override the configuration.
 */

/** `revoked`: it is not admitted. `drained`: it is given no jobs. */
export type Control = "revoked" | "drained";

export class Controls {
  readonly #sql: SqlStorage;
  /** The table's rows, in memory because they are read often. */
  readonly #names: Readonly<Record<Control, Set<string>>> = {
    revoked: new Set(),
    drained: new Set(),
  };

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS controls (
        name TEXT NOT NULL, control TEXT NOT NULL, PRIMARY KEY (name, control)) WITHOUT ROWID;
    `);
    for (const { name, control } of this.all()) this.#names[control].add(name);
  }

  is = (name: string, control: Control): boolean => this.#names[control].has(name);

  /** All names, with their controls. */
  all(): { readonly name: string; readonly control: Control }[] {
    return this.#sql
      .exec<{ name: string; control: Control }>("SELECT name, control FROM controls ORDER BY name")
      .toArray();
  }

  /** Returns whether this changed anything. */
  set(name: string, control: Control, value: boolean): boolean {
    if (value) this.#names[control].add(name);
    else this.#names[control].delete(name);
    const sql = value
      ? "INSERT OR IGNORE INTO controls (name, control) VALUES (?, ?)"
      : "DELETE FROM controls WHERE name = ? AND control = ?";
    return this.#sql.exec(sql, name, control).rowsWritten > 0;
  }
}
