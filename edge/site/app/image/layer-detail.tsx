/** One layer of an image: its sizes, who shares it, and its largest store paths. */
import type { ImageLayer } from "../../../contract/api.ts";
import { storeName } from "../../../contract/store-path.ts";
import { bytes, plural } from "../format.ts";
import { SHADES } from "./layer-bar.tsx";
import { type Paths, sizeOf } from "./layer-words.ts";

/** Store paths that are named for a layer. */
const NAMED = 12;
/** Packages that are named as sharing a layer. */
const MOST = 4;

interface DetailProps {
  readonly at: number;
  readonly layer: ImageLayer | undefined;
  readonly closure: Paths;
}

/** `at`: the number of the layer, from 0. */
export function LayerDetail({ at, layer, closure }: DetailProps) {
  if (layer === undefined) return null;
  const paths = [...(layer.paths ?? [])].sort((a, b) => sizeOf(closure, b) - sizeOf(closure, a));
  return (
    <div class={`card detail shade${at % SHADES}`}>
      <h3>
        Layer {at + 1}
        <small>
          {bytes(layer.size)} compressed
          {layer.unpacked !== null && `, ${bytes(layer.unpacked)} unpacked`}
        </small>
      </h3>
      <p class="quiet">
        {layer.own
          ? "Only in this image: links to its packages, and parts too small for a layer."
          : `Shared by every image with ${either(layer.packages)}.`}
      </p>
      <ul class="paths">
        {paths.slice(0, NAMED).map((path) => (
          <li key={path}>
            <span class="name">{storeName(closure?.[path]?.path ?? "")}</span>
            <span class="size">{bytes(sizeOf(closure, path))}</span>
          </li>
        ))}
      </ul>
      {paths.length > NAMED && (
        <p class="quiet">and {plural(paths.length - NAMED, "more store path")}</p>
      )}
    </div>
  );
}

const either = (packages: readonly string[]): string =>
  packages.length <= MOST
    ? packages.join(" or ")
    : `${packages.slice(0, MOST).join(", ")} or ${packages.length - MOST} more`;
