/** The tags of which the origin tells the edge the revision without being asked. */

interface TagRevision {
  readonly tag: string;
  readonly revision: string;
}

/** Most tags in a hello (contract/messages.ts). */
const MAX_TAGS = 100;

/** Remembers the revisions of tags, and which of them the edge has not been told. */
export class AnnouncedTags {
  readonly #revisions = new Map<string, string>();
  /** Tags that have changed since `all` or `unsent` was called. */
  readonly #unsent = new Set<string>();

  /** Beyond MAX_TAGS, the tag that was set longest ago is forgotten. */
  set(tag: string, revision: string): void {
    this.#revisions.delete(tag);
    this.#revisions.set(tag, revision);
    this.#unsent.add(tag);
    for (const oldest of this.#revisions.keys()) {
      if (this.#revisions.size <= MAX_TAGS) break;
      this.#revisions.delete(oldest);
      this.#unsent.delete(oldest);
    }
  }

  /** All tags, for a hello; they count as sent from now on. */
  all(): TagRevision[] {
    this.#unsent.clear();
    return [...this.#revisions].map(([tag, revision]) => ({ tag, revision }));
  }

  /** Tags that the edge has not been told, oldest first; they count as sent from now on. */
  unsent(): TagRevision[] {
    const tags = [...this.#revisions].filter(([tag]) => this.#unsent.has(tag));
    this.#unsent.clear();
    return tags.map(([tag, revision]) => ({ tag, revision }));
  }
}
