/** What an image is, beside what composes it: its state, sizes, layers, and what must be built. */
import type { ImageView, PlatformView } from "../../contract/api.ts";
import { type Asked, fromRegistry } from "./api.ts";
import { bytes, plural } from "./format.ts";
import { Fact, Trouble } from "./components.tsx";
import { Strip } from "./layer-bar.tsx";

/** What a client of images accepts. */
const MANIFEST_TYPES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
].join(", ");

interface FactsProps {
  readonly name: string;
  readonly tag: string;
  readonly view: Asked<ImageView>;
  /** In the place of the name written out, which may be long. */
  readonly title: string | undefined;
  /** What stands there while there is no name. */
  readonly empty: string;
  readonly onReplace: (wrong: string, right: string) => void;
}

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
  return (
    <div class={`card facts ${loading ? "stale" : ""}`}>
      <h2 class="name">{title ?? answer.title}</h2>
      {answer.revision === null ? (
        <p class="notice">
          Nobody asked for this tag so far: the first pull finds out what it means.
        </p>
      ) : (
        <p class="quiet">
          {answer.packageSet} at <code title={answer.revision}>{answer.revision.slice(0, 12)}</code>
        </p>
      )}
      {shown.map((platform) => (
        <PlatformFacts
          key={platform.platform}
          platform={platform}
          alone={shown.length === 1}
          pull={{ name, tag }}
          onReplace={onReplace}
        />
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

interface PlatformProps {
  readonly platform: PlatformView;
  readonly alone: boolean;
  readonly pull: { readonly name: string; readonly tag: string };
  readonly onReplace: (wrong: string, right: string) => void;
}

function PlatformFacts({ platform, alone, pull, onReplace }: PlatformProps) {
  return (
    <div class="platform">
      {!alone && <h3>{platform.platform}</h3>}
      <State platform={platform} pull={pull} onReplace={onReplace} />
      {platform.layers !== null && (
        <>
          <Strip layers={platform.layers} />
          <dl class="numbers">
            <Fact
              label="To download"
              value={bytes(platform.size ?? 0)}
              {...(platform.exact ? {} : { note: "about" })}
            />
            {platform.unpacked !== null && (
              <Fact label="Unpacked" value={bytes(platform.unpacked)} />
            )}
            <Fact label="Layers" value={String(platform.layers.length)} />
            {platform.client !== null && pull.name !== platform.client.has && (
              <Fact label="With shell already there" value={bytes(platform.client.size)} />
            )}
          </dl>
        </>
      )}
    </div>
  );
}

function State({ platform, pull, onReplace }: Omit<PlatformProps, "alone">) {
  switch (platform.state) {
    case "made":
      return <p class="state good">Ready to pull.</p>;
    case "ready":
      return <p class="state good">All packages are built; the first pull puts them together.</p>;
    case "unbuilt":
      return <Unbuilt platform={platform} pull={pull} />;
    case "unknown":
      return <Unknown platform={platform} onReplace={onReplace} />;
  }
}

function Unbuilt({
  platform: { build, packages },
  pull,
}: Pick<PlatformProps, "platform" | "pull">) {
  const requested = new Set(packages.filter((each) => each.requested).map(({ name }) => name));
  const missing = build?.packages ?? [];
  const own = missing.filter((name) => requested.has(name));
  const others = missing.length - own.length;
  const begin = (event: Event): void => {
    event.preventDefault();
    const { name, tag } = pull;
    const init = { headers: { Accept: MANIFEST_TYPES }, keepalive: true };
    // The build page tells how it ends: this request is what asks for it.
    fromRegistry(name, `manifests/${tag || "latest"}`, init).catch(() => undefined);
    const image = new URLSearchParams({ image: name, ...(tag === "" ? {} : { tag }) });
    // Once the request is on its way.
    setTimeout(() => location.assign(`${build?.url ?? "/"}?${image}`), SENT_MS);
  };
  return (
    <div class="state wait">
      <p>
        Must be built first:{" "}
        <b>
          {own.join(", ")}
          {others > 0 &&
            `${own.length > 0 ? ", and " : ""}${plural(others, "package")} that ${
              own.length > 0 ? "every such image has" : "the shell or every image has"
            }`}
        </b>
        . The first pull waits for it.
      </p>
      <button type="button" class="primary" onClick={begin}>
        Build it now
      </button>
    </div>
  );
}

/**
 * Until a request has been sent, milliseconds: a page that is left cancels what it only prepares.
 */
const SENT_MS = 150;

function Unknown({ platform, onReplace }: Pick<PlatformProps, "platform" | "onReplace">) {
  const unknown = platform.packages.filter(({ state }) => state === "unknown");
  return (
    <div class="state bad">
      {unknown.length === 0 && <p>{platform.message}</p>}
      {unknown.map(({ name, message, nearest = [] }) => (
        <div key={name}>
          <p>{message}</p>
          {nearest.length > 0 && (
            <p class="popular">
              Perhaps{" "}
              {nearest.map((near) => (
                <button
                  type="button"
                  class="suggestion"
                  key={near}
                  onClick={() => onReplace(name, near)}
                >
                  {near}
                </button>
              ))}
            </p>
          )}
        </div>
      ))}
    </div>
  );
}
