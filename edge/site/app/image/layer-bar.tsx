/** The layers of an image as one bar, wide as their bytes. */
import type { ImageLayer } from "../../../contract/api.ts";
import { bytes, plural } from "../format.ts";

const WIDTH = 1_000;
const HEIGHT = 28;
/** Gap between two layers, so that small ones can be told apart. */
const GAP = 3;
/** Colours of the style sheet. */
export const SHADES = 6;

/** The bar. */
export function Strip({ layers }: { readonly layers: readonly ImageLayer[] }) {
  const total = layers.reduce((sum, { size }) => sum + size, 0);
  const free = WIDTH - GAP * (layers.length - 1);
  let x = 0;
  const bars = layers.map(({ size, packages, own }, at) => {
    const width = Math.max(1, (size / Math.max(1, total)) * free);
    const bar = (
      <rect x={x} y={0} width={width} height={HEIGHT} rx={3} class={`shade${at % SHADES}`}>
        <title>{`${own ? "links, and small parts" : packages.join(", ")}: ${bytes(size)}`}</title>
      </rect>
    );
    x += width + GAP;
    return bar;
  });
  return (
    <svg
      class="strip"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={`${plural(layers.length, "layer")}, ${bytes(total)} compressed`}
    >
      {bars}
    </svg>
  );
}
