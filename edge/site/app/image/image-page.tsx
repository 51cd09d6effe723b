/** `/i/NAME`: looking inside an image. */
import { useState } from "preact/hooks";
import type { ImagePackage, ImageView, PlatformView } from "../../../contract/api.ts";
import { useAnswer } from "../api.ts";
import { Closure } from "./closure.tsx";
import { composeLink } from "../compose/composition.ts";
import { Difference } from "./difference.tsx";
import { bytes } from "../format.ts";
import { State } from "./image-state.tsx";
import { LayerMap } from "./layer-map.tsx";
import { Fact } from "../fact.tsx";
import { ImageName } from "../image-name.tsx";
import { Tabs } from "../tabs.tsx";
import { Trouble } from "../trouble.tsx";
import { PullCommand } from "../command-box.tsx";
import { SbomLink } from "./sbom.tsx";

/** The page about one image. */
export function Inside({ name }: { readonly name: string }) {
  const query = new URLSearchParams(location.search);
  const tag = query.get("tag") ?? "";
  const asked = new URLSearchParams({ has: "shell", closure: "1", ...(tag && { tag }) });
  const { answer, error } = useAnswer<ImageView>(`/api/images/${name}?${asked}`);
  const [chosen, setChosen] = useState<string | null>(query.get("platform"));
  const reference = `${name}${tag === "" ? "" : `:${tag}`}`;
  return (
    <>
      <p class="crumbs">
        <a href={composeLink(name, tag)}>Compose</a> <span aria-hidden="true">/</span> Look inside
      </p>
      <h1 class="name">
        <ImageName name={reference} />
      </h1>
      {error !== null && <Trouble error={error} />}
      {answer === null && error === null && (
        <p class="quiet" role="status">
          Looking…
        </p>
      )}
      {answer !== null && (
        <Platforms answer={answer} chosen={chosen} onChoose={setChosen} reference={reference} />
      )}
    </>
  );
}

interface PlatformsProps {
  readonly answer: ImageView;
  readonly chosen: string | null;
  readonly onChoose: (platform: string) => void;
  readonly reference: string;
}

function Platforms({ answer, chosen, onChoose, reference }: PlatformsProps) {
  const { platforms, revision } = answer;
  const [first] = platforms;
  if (first === undefined || revision === null)
    return (
      <>
        <p class="notice">Nobody has pulled this tag yet. Pull the image, then look again.</p>
        <PullCommand name={answer.name} tag={answer.tag === "latest" ? "" : answer.tag} />
      </>
    );
  const platform = platforms.find((each) => each.platform === chosen) ?? first;
  const view = (
    <Platform key={platform.platform} answer={answer} platform={platform} reference={reference} />
  );
  if (platforms.length === 1) return view;
  return (
    <Tabs
      id="platform"
      label="Platform"
      tabs={platforms.map((each) => each.platform)}
      chosen={platform.platform}
      onChoose={onChoose}
    >
      {view}
    </Tabs>
  );
}

interface PlatformProps {
  readonly answer: ImageView;
  readonly platform: PlatformView;
  readonly reference: string;
}

function Platform({ answer, platform, reference }: PlatformProps) {
  const [layer, setLayer] = useState<number | null>(null);
  const { layers, closure, client, size, unpacked, manifests, exact } = platform;
  if (layers === null) return <NotBuilt answer={answer} platform={platform} />;
  const about = exact ? "" : "≈ ";
  return (
    <>
      <dl class="numbers wide">
        <Fact label="To download" value={about + bytes(size ?? 0)} />
        {unpacked !== null && <Fact label="Unpacked" value={bytes(unpacked)} />}
        <Fact label="Layers" value={String(layers.length)} />
        {closure != null && <Fact label="Store paths" value={String(closure.length)} />}
        {client !== null && <Fact label="If you have shell" value={about + bytes(client.size)} />}
      </dl>
      <PullCommand name={answer.name} tag={answer.tag === "latest" ? "" : answer.tag} />
      <dl class="ids">
        <div>
          <dt>Package set</dt>
          <dd>{answer.packageSet}</dd>
        </div>
        <div>
          <dt>Revision</dt>
          <dd>
            <code class="break">{answer.revision}</code>
          </dd>
        </div>
        {manifests[0] !== undefined && (
          <div>
            <dt>Digest</dt>
            <dd>
              <code class="break">{manifests[0].digest}</code>
            </dd>
          </div>
        )}
      </dl>
      {manifests[0] !== undefined && <SbomLink name={answer.name} digest={manifests[0].digest} />}
      <h2>Packages</h2>
      <Packages packages={platform.packages} tag={answer.tag} />
      <h2>Layers</h2>
      <LayerMap layers={layers} closure={closure ?? null} chosen={layer} onChoose={setLayer} />
      <h2>Compare</h2>
      <Difference reference={reference} name={answer.name} platform={platform.platform} />
      {closure != null && (
        <>
          <h2>Store paths</h2>
          <Closure closure={closure} layers={layers} layer={layer} onLayer={setLayer} />
        </>
      )}
    </>
  );
}

interface PackagesProps {
  readonly packages: readonly ImagePackage[];
  readonly tag: string;
}

/** Those that the name asks for, and in one line those that come with them. */
function Packages({ packages, tag }: PackagesProps) {
  const requested = packages.filter((each) => each.requested);
  const others = packages.filter((each) => !each.requested);
  const query = tag === "latest" ? "" : `?tag=${encodeURIComponent(tag)}`;
  return (
    <>
      <ul class="plain packages">
        {requested.map(({ name, state, version, description }) => (
          <li key={name}>
            <a class="name" href={`/i/${name}${query}`}>
              {name}
            </a>{" "}
            <span class="version">{version}</span>
            {state !== "built" && (
              <span class={`tagged ${state}`}>
                {state === "unbuilt" ? "to be built" : "unknown"}
              </span>
            )}
            {description !== undefined && <p class="quiet">{description}</p>}
          </li>
        ))}
      </ul>
      {others.length > 0 && (
        <p class="quiet">
          {requested.length > 0 && "Also in the image: "}
          {others.map(({ name, version = "" }) => `${name} ${version}`.trim()).join(", ")}.
        </p>
      )}
    </>
  );
}

interface NotBuiltProps {
  readonly answer: ImageView;
  readonly platform: PlatformView;
}

/** What is missing, how to have it built, and which packages it would have. */
function NotBuilt({ answer: { name, tag }, platform }: NotBuiltProps) {
  const replace = (wrong: string, right: string): void => {
    const parts = name.split("/").map((part) => (part === wrong ? right : part));
    location.assign(`/i/${parts.join("/")}${location.search}`);
  };
  return (
    <>
      <State
        platform={platform}
        pull={{ name, tag: tag === "latest" ? "" : tag }}
        onReplace={replace}
      />
      <h2>Packages</h2>
      <Packages packages={platform.packages} tag={tag} />
    </>
  );
}
