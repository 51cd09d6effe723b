/**
 * What an image is, beside its composition: its state, sizes, layers, and what must be built.
 * Platforms about which the same can be said share a paragraph.
 */
import type { ImageView, PlatformView } from "../../../contract/api.ts";
import type { Asked } from "../api.ts";
import { bytes } from "../format.ts";
import { Fact } from "../fact.tsx";
import { ImageName } from "../image-name.tsx";
import { Trouble } from "../trouble.tsx";
import { State } from "./image-state.tsx";
import { Strip } from "./layer-bar.tsx";

interface FactsProps {
  readonly name: string;
  readonly tag: string;
  readonly view: Asked<ImageView>;
  /** Shown instead of the written-out name, which may be long. */
  readonly title: string | undefined;
  /** Shown while there is no name. */
  readonly empty: string;
  readonly onReplace: (wrong: string, right: string) => void;
}

/** What is known about an image: its revision, and the state of each platform. */
export function ImageFacts({ name, tag, view, title, empty, onReplace }: FactsProps) {
  if (name === "") return <div class="card empty">{empty}</div>;
  const { answer, error, loading } = view;
  if (error !== null)
    return (
      <div class="card">
        <Trouble error={error} />
      </div>
    );
  if (answer === null) return <div class="card empty">Looking…</div>;
  const query = tag === "" ? "" : `?tag=${encodeURIComponent(tag)}`;
  const [first] = answer.platforms;
  // A name that is wrong is wrong everywhere.
  const shown = first?.packages.some(({ state }) => state === "unknown")
    ? answer.platforms.slice(0, 1)
    : answer.platforms;
  const groups = alike(shown);
  return (
    <div class={`card facts ${loading ? "stale" : ""}`}>
      <h2 class="name">
        <ImageName name={title ?? answer.title} />
      </h2>
      {answer.revision === null ? (
        <p class="notice">Nobody has pulled this tag yet. The first pull resolves it.</p>
      ) : (
        <p class="quiet">
          Packages from {answer.packageSet}, revision{" "}
          <code title={answer.revision}>{answer.revision.slice(0, 12)}</code>
        </p>
      )}
      {groups.map((platforms) => (
        <div class="platform" key={platforms[0].platform}>
          {groups.length > 1 && <h3>{platforms.map(({ platform }) => platform).join(", ")}</h3>}
          <State platform={platforms[0]} pull={{ name, tag }} onReplace={onReplace} />
          {platforms.map((platform) => (
            <Amounts
              key={platform.platform}
              platform={platform}
              alone={platforms.length === 1}
              name={name}
            />
          ))}
        </div>
      ))}
      {first?.layers != null && (
        <p>
          <a class="look" href={`/i/${name}${query}`}>
            Look inside
          </a>
        </p>
      )}
    </div>
  );
}

type Alike = readonly [PlatformView, ...PlatformView[]];

/** Groups platforms in the same state, with the same packages to build or correct. */
function alike(platforms: readonly PlatformView[]): readonly Alike[] {
  const groups = new Map<string, Alike>();
  for (const platform of platforms) {
    const { state, build, message } = platform;
    const key = JSON.stringify([state, build?.packages, message]);
    const group = groups.get(key);
    groups.set(key, group === undefined ? [platform] : [...group, platform]);
  }
  return [...groups.values()];
}

interface AmountsProps {
  readonly platform: PlatformView;
  readonly alone: boolean;
  /** Of the image. */
  readonly name: string;
}

/** What a client downloads; nothing before all packages are built. */
function Amounts({ platform: { platform, layers, ...view }, alone, name }: AmountsProps) {
  if (layers === null) return null;
  const about = view.exact ? "" : "≈ ";
  return (
    <div class="amounts">
      {!alone && <h3>{platform}</h3>}
      <Strip layers={layers} />
      <dl class="numbers">
        <Fact label="To download" value={about + bytes(view.size ?? 0)} />
        {view.unpacked !== null && <Fact label="Unpacked" value={bytes(view.unpacked)} />}
        <Fact label="Layers" value={String(layers.length)} />
      </dl>
      {view.client !== null && name !== view.client.has && (
        <p class="quiet">
          {about}
          {bytes(view.client.size)} if you already have <code>{view.client.has}</code>
        </p>
      )}
    </div>
  );
}
