/** The store paths of an image, to be searched; and why each of them is there. */
import { useMemo, useState } from "preact/hooks";
import type { ImageLayer, ImagePath } from "../../../contract/api.ts";
import { storeName } from "../../../contract/store-path.ts";
import { bytes, plural } from "../format.ts";
import { wayTo } from "./dependency-path.ts";

/** Store paths that are shown at first; the largest of them. */
const FIRST = 25;

interface ClosureProps {
  readonly closure: readonly ImagePath[];
  readonly layers: readonly ImageLayer[];
  /** Only what is in this one. */
  readonly layer: number | null;
  readonly onLayer: (layer: number | null) => void;
}

/** The list of store paths. */
export function Closure({ closure, layers, layer, onLayer }: ClosureProps) {
  const [word, setWord] = useState("");
  const [shown, setShown] = useState(FIRST);
  const [open, setOpen] = useState<number | null>(null);
  const layerOf = useMemo(() => {
    const found = new Map<number, number>();
    for (const [at, { paths = [] }] of layers.entries())
      for (const path of paths) found.set(path, at);
    return found;
  }, [layers]);
  const sought = word.trim().toLowerCase();
  const found = closure
    .map((path, at) => ({ ...path, at }))
    .filter(
      ({ path, at }) =>
        storeName(path).toLowerCase().includes(sought) &&
        (layer === null || layerOf.get(at) === layer),
    )
    .sort((a, b) => b.size - a.size);
  const size = found.reduce((sum, path) => sum + path.size, 0);
  return (
    <div class="closure">
      <div class="filter">
        <input
          type="search"
          aria-label="Search store paths"
          placeholder="Search: openssl, glibc…"
          value={word}
          onInput={(event) => setWord(event.currentTarget.value)}
        />
        {layer !== null && (
          <button type="button" class="suggestion" onClick={() => onLayer(null)}>
            Layer {layer + 1} only <span aria-hidden="true">×</span>
          </button>
        )}
        <p class="quiet" role="status">
          {plural(found.length, "store path")}, {bytes(size)}
        </p>
      </div>
      <ul class="rows">
        {found.slice(0, shown).map((path) => (
          <li key={path.path}>
            <button
              type="button"
              class="row"
              aria-expanded={open === path.at}
              onClick={() => setOpen(open === path.at ? null : path.at)}
            >
              <span class="name">
                {storeName(path.path)}
                {path.packages.length > 0 && <span class="tagged built">package</span>}
              </span>
              <span class="size">{bytes(path.size)}</span>
            </button>
            {open === path.at && (
              <Why at={path.at} closure={closure} layer={layerOf.get(path.at)} />
            )}
          </li>
        ))}
      </ul>
      {found.length > shown && (
        <button type="button" class="more" onClick={() => setShown(found.length)}>
          Show all {found.length.toLocaleString("en")}
        </button>
      )}
    </div>
  );
}

interface WhyProps {
  readonly at: number;
  readonly closure: readonly ImagePath[];
  readonly layer: number | undefined;
}

function Why({ at, closure, layer }: WhyProps) {
  const way = wayTo(at, closure);
  const path = closure[at];
  const users = closure.filter(({ references }) => references.includes(at)).length;
  return (
    <div class="why">
      {way.length > 1 ? (
        <>
          <p>Why it is there:</p>
          <ol>
            {way.map((each) => (
              <li key={each}>
                <span class="name">{storeName(closure[each]?.path ?? "")}</span>
              </li>
            ))}
          </ol>
        </>
      ) : (
        <p>
          {path?.packages.length
            ? `It is the package ${path.packages.join(", ")}.`
            : "No package of the image refers to it."}
        </p>
      )}
      <p class="quiet">
        <code class="break">{path?.path}</code>
        <br />
        {plural(users, "store path")} of this image {users === 1 ? "refers" : "refer"} to it
        {layer !== undefined && `; it is in layer ${layer + 1}`}
        {path?.licenses !== undefined && `; ${path.licenses.join(", ")}`}.
      </p>
    </div>
  );
}
