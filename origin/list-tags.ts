/** Tells edges which tags the package set has, for their `tags/list`. */

/** A repository is listed at most this often, ms: the list of a large one has some 100 kB. */
const LIST_AGAIN = 5 * 60_000;

export interface TagListing {
  readonly list: () => Promise<readonly string[] | undefined>;
  readonly tell: (tags: readonly string[]) => void;
  readonly onError: (error: Error) => void;
  /** LIST_AGAIN by default. */
  readonly again?: number;
}

/**
 * A function that lists the tags and reports them, unless that was done a moment ago. To be called
 * when the origin starts, and whenever somebody has asked what a tag means.
 */
export function tagLister({ list, tell, onError, again = LIST_AGAIN }: TagListing): () => void {
  let next = 0;
  return () => {
    if (Date.now() < next) return;
    next = Date.now() + again;
    list().then((tags) => tags && tell(tags), onError);
  };
}
