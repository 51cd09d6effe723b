/** The layers of an image as a treemap of bytes; each is divided into its store paths. */
import { useRef, useState } from "preact/hooks";
import type { ImageLayer } from "../../../contract/api.ts";
import { bytes } from "../format.ts";
import { SHADES } from "./layer-bar.tsx";
import { LayerDetail } from "./layer-detail.tsx";
import { type Paths, titleOf } from "./layer-words.ts";
import { type Box, squarify } from "./treemap.ts";

const WIDTH = 1_000;
/** Higher than wide on a phone, where a flat map could not be read. */
const HEIGHT = { wide: 420, narrow: 1_100 } as const;
const GAP = 4;
/** Smallest box with a text in it. */
const TEXT_WIDTH = 110;
const TEXT_HEIGHT = 44;

/** How far each arrow key leads in the order of sizes. */
const STEPS: Readonly<Record<string, number>> = {
  ArrowRight: 1,
  ArrowDown: 1,
  ArrowLeft: -1,
  ArrowUp: -1,
};

interface MapProps {
  readonly layers: readonly ImageLayer[];
  readonly closure: Paths;
  readonly chosen: number | null;
  readonly onChoose: (layer: number | null) => void;
}

/** The treemap, and details of the chosen layer. */
export function LayerMap({ layers, closure, chosen, onChoose }: MapProps) {
  const [pointed, setPointed] = useState<number | null>(null);
  const [focused, setFocused] = useState<number | null>(null);
  const svg = useRef<SVGSVGElement>(null);
  const narrow = matchMedia("(max-width: 640px)").matches;
  const height = narrow ? HEIGHT.narrow : HEIGHT.wide;
  const scale = narrow ? 2.6 : 1;
  const boxes = squarify(
    layers.map(({ size }) => size),
    { x: 0, y: 0, width: WIDTH, height },
  );
  const order = layers
    .map((_, at) => at)
    .sort((a, b) => (layers[b]?.size ?? 0) - (layers[a]?.size ?? 0));
  /** The one in the tab order: the largest, until an arrow key moves. */
  const stop = focused !== null && focused < layers.length ? focused : (order[0] ?? 0);
  const move = (event: KeyboardEvent): void => {
    const step = STEPS[event.key];
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      onChoose(chosen === stop ? null : stop);
    }
    if (step === undefined) return;
    event.preventDefault();
    const place = (order.indexOf(stop) + step + order.length) % order.length;
    const next = order[place] ?? 0;
    setFocused(next);
    svg.current?.querySelector<SVGGElement>(`[data-layer="${next}"]`)?.focus();
  };
  const shown = pointed ?? chosen ?? order[0] ?? 0;
  return (
    <div class="layer-map">
      <svg
        ref={svg}
        class="treemap"
        viewBox={`0 0 ${WIDTH} ${height}`}
        role="group"
        aria-label="Layers by their compressed bytes; arrows move from the largest to the smallest, Enter chooses one"
        onKeyDown={move}
        onPointerLeave={() => setPointed(null)}
      >
        {layers.map((layer, at) => (
          <LayerBox
            key={at}
            at={at}
            layer={layer}
            closure={closure}
            box={inner(boxes[at] as Box)}
            state={`${at === chosen ? "chosen" : ""} ${at === shown ? "shown" : ""}`}
            inOrder={at === stop}
            pressed={at === chosen}
            onPoint={() => setPointed(at)}
            onFocus={() => {
              setFocused(at);
              setPointed(at);
            }}
            onBlur={() => setPointed(null)}
            onChoose={() => onChoose(at === chosen ? null : at)}
          />
        ))}
        {layers.map((layer, at) => (
          <Label
            key={at}
            title={titleOf(layer, closure)}
            size={layer.size}
            box={inner(boxes[at] as Box)}
            scale={scale}
          />
        ))}
      </svg>
      <LayerDetail at={shown} layer={layers[shown]} closure={closure} />
    </div>
  );
}

const inner = ({ x, y, width, height }: Box): Box => ({
  x: x + GAP / 2,
  y: y + GAP / 2,
  width: Math.max(1, width - GAP),
  height: Math.max(1, height - GAP),
});

interface BoxProps {
  readonly at: number;
  readonly layer: ImageLayer;
  readonly closure: Paths;
  readonly box: Box;
  readonly state: string;
  readonly inOrder: boolean;
  readonly pressed: boolean;
  readonly onPoint: () => void;
  readonly onFocus: () => void;
  readonly onBlur: () => void;
  readonly onChoose: () => void;
}

function LayerBox(props: BoxProps) {
  const { at, layer, closure, box } = props;
  const paths = layer.paths ?? [];
  const inside = squarify(
    paths.map((path) => closure?.[path]?.size ?? 0),
    box,
  );
  return (
    <g
      class={`layer shade${at % SHADES} ${props.state}`}
      data-layer={at}
      role="button"
      // In SVG the attribute's name is in lower case alone.
      tabindex={props.inOrder ? 0 : -1}
      aria-pressed={props.pressed}
      aria-label={`${titleOf(layer, closure)}, ${bytes(layer.size)}`}
      onPointerEnter={props.onPoint}
      onFocus={props.onFocus}
      onBlur={props.onBlur}
      onClick={props.onChoose}
    >
      <rect {...box} rx={4} class="ground" />
      {paths.length > 1 && inside.map((part, index) => <rect key={index} {...part} class="part" />)}
      <rect {...box} rx={4} class="edge" />
    </g>
  );
}

interface LabelProps {
  readonly title: string;
  readonly size: number;
  readonly box: Box;
  /** Of texts. */
  readonly scale: number;
}

/** The text in a box, where there is room. Its button has the full name. */
function Label({ title, size, box: { x, y, width, height }, scale }: LabelProps) {
  if (width < TEXT_WIDTH * scale || height < TEXT_HEIGHT * scale) return null;
  return (
    <g class="label" aria-hidden="true">
      <text x={x + 10 * scale} y={y + 22 * scale} font-size={14 * scale}>
        {fitting(title, width / (8.2 * scale) - 2)}
      </text>
      <text x={x + 10 * scale} y={y + 40 * scale} font-size={12 * scale} class="small">
        {bytes(size)}
      </text>
    </g>
  );
}

const fitting = (text: string, characters: number): string =>
  text.length <= characters ? text : `${text.slice(0, Math.max(1, characters - 1))}…`;
