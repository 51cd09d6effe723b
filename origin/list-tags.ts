/** Tells edges which tags the package set has, for their `tags/list`. */

/** Shortest time between two listings, ms: the list of a large repository has some 100 kB. */
const LIST_AGAIN = 5 * 60_000;

export interface TagListing {
  readonly list: () => Promise<readonly string[] | undefined>;
  readonly tell: (tags: readonly string[]) => void;
  readonly onError: (error: Error) => void;
  /** LIST_AGAIN by default. */
  readonly again?: number;
}

/**
 * Returns a function that lists the tags and reports them, unless it did so less than `again` ago.
 * It is to be called when the origin starts, and whenever a tag has been resolved.
 */
export function tagLister({ list, tell, onError, again = LIST_AGAIN }: TagListing): () => void {
  let next = 0;
  return () => {
    if (Date.now() < next) return;
    next = Date.now() + again;
    list().then((tags) => tags && tell(tags), onError);
  };
}
