/** Differences between two lists of packages, or of store paths. Pure. */
import type { DiffAnswer, ImagePath } from "../contract/api.ts";
import { nameAndVersion, storeName } from "../contract/store-path.ts";

export interface Item {
  readonly name: string;
  readonly version: string;
  /** Items with equal ids are the same item. */
  readonly id: string;
}

/** Packages that were added, removed and changed, by name. */
export function packageChanges(from: readonly Item[], to: readonly Item[]): DiffAnswer["packages"] {
  const before = new Map(from.map((item) => [item.name, item]));
  const after = new Map(to.map((item) => [item.name, item]));
  const plain = ({ name, version }: Item) => ({ name, version });
  return {
    added: to.filter(({ name }) => !before.has(name)).map(plain),
    removed: from.filter(({ name }) => !after.has(name)).map(plain),
    changed: to.flatMap(({ name, version }) => {
      const old = before.get(name);
      return old === undefined || old.version === version
        ? []
        : [{ name, from: old.version, to: version }];
    }),
  };
}

type Path = Pick<ImagePath, "path" | "size">;

/**
 * Compares store paths by name and version: those in only one of the lists, those with another
 * version, and those with the same version but other contents. Where a name has several versions
 * they are compared in order, the first with the first; the rest were added or removed.
 */
export function closureChanges(
  from: readonly Path[],
  to: readonly Path[],
): NonNullable<DiffAnswer["closure"]> {
  const had = new Set(from.map(({ path }) => path));
  const has = new Set(to.map(({ path }) => path));
  const gone = namesOf(from.filter(({ path }) => !has.has(path)));
  const come = namesOf(to.filter(({ path }) => !had.has(path)));
  const changes = { added: [], removed: [], changed: [], rebuilt: [] } as {
    added: { name: string; size: number }[];
    removed: { name: string; size: number }[];
    changed: { name: string; from: string; to: string }[];
    rebuilt: string[];
  };
  for (const [name, olds] of gone) {
    const news = come.get(name) ?? [];
    const pairs = Math.min(olds.length, news.length);
    for (let at = 0; at < pairs; at += 1) {
      const [old, now] = [olds[at] as Named, news[at] as Named];
      if (old.version === now.version) changes.rebuilt.push(full(now));
      else changes.changed.push({ name, from: old.version, to: now.version });
    }
    changes.removed.push(...olds.slice(pairs).map(sized));
    changes.added.push(...news.slice(pairs).map(sized));
  }
  for (const [name, news] of come) if (!gone.has(name)) changes.added.push(...news.map(sized));
  return changes;
}

interface Named {
  readonly name: string;
  readonly version: string;
  readonly size: number;
}

const full = ({ name, version }: Named): string => (version === "" ? name : `${name}-${version}`);
const sized = (item: Named) => ({ name: full(item), size: item.size });

/** By name, sorted by version. */
function namesOf(paths: readonly Path[]): Map<string, Named[]> {
  const named = paths.map(({ path, size }): Named => ({
    ...nameAndVersion(storeName(path)),
    size,
  }));
  const byVersion = named.sort((a, b) => (full(a) < full(b) ? -1 : 1));
  return Map.groupBy(byVersion, ({ name }) => name) as Map<string, Named[]>;
}
