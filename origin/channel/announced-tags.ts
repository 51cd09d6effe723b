/** Tags that the edge is told about unasked: the revision that each of them means now. */

interface TagRevision {
  readonly tag: string;
  readonly revision: string;
}

/** Most tags in a hello (contract/messages.ts). */
const MAX_TAGS = 100;

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

  /** All tags, for a hello: after that none counts as unsent. */
  all(): TagRevision[] {
    this.#unsent.clear();
    return [...this.#revisions].map(([tag, revision]) => ({ tag, revision }));
  }

  /** The tags that the edge has not been told, oldest first; they count as sent from now on. */
  unsent(): TagRevision[] {
    const tags = [...this.#revisions].filter(([tag]) => this.#unsent.has(tag));
    this.#unsent.clear();
    return tags.map(([tag, revision]) => ({ tag, revision }));
  }
}
