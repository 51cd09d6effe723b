/** `/i/NAME`: looking inside an image. */
import { useState } from "preact/hooks";
import type { ImageView, PlatformView } from "../../contract/api.ts";
import { useAnswer } from "./api.ts";
import { Closure } from "./closure.tsx";
import { command } from "./commands.ts";
import { Difference } from "./difference.tsx";
import { bytes, plural } from "./format.ts";
import { LayerMap } from "./layer-map.tsx";
import { Copy, Fact, Tabs, Trouble } from "./components.tsx";
import { SbomLink } from "./sbom.tsx";

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
      <h1 class="name">{reference}</h1>
      {error !== null && <Trouble error={error} />}
      {answer === null && error === null && <p class="quiet">Looking…</p>}
      {answer !== null && (
        <Platforms answer={answer} chosen={chosen} onChoose={setChosen} reference={reference} />
      )}
    </>
  );
}

/** The same image where it is composed. */
function composeLink(name: string, tag: string): string {
  const parts = name.split("/");
  const packages = parts.filter((part) => !["shell", "amd64", "arm64"].includes(part));
  const platform = parts.find((part) => part === "amd64" || part === "arm64");
  const query = [
    packages.length > 0 ? `p=${packages.join("+")}` : "",
    parts.includes("shell") ? "" : "shell=0",
    platform === undefined ? "" : `platform=${platform}`,
    tag === "" ? "" : `tag=${encodeURIComponent(tag)}`,
  ].filter(Boolean);
  return query.length === 0 ? "/" : `/?${query.join("&")}`;
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
    return <p class="notice">Nobody asked for this tag so far: pull the image, and look again.</p>;
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
  if (layers === null) return <NotBuilt platform={platform} reference={reference} />;
  const pull = command("Docker", {
    host: location.host,
    plain: location.protocol === "http:",
    name: answer.name,
    tag: answer.tag === "latest" ? "" : answer.tag,
    shell: answer.name.split("/").includes("shell"),
  });
  return (
    <>
      <dl class="numbers wide">
        <Fact label="To download" value={bytes(size ?? 0)} {...(exact ? {} : { note: "about" })} />
        {unpacked !== null && <Fact label="Unpacked" value={bytes(unpacked)} />}
        <Fact label="Layers" value={String(layers.length)} />
        {closure != null && <Fact label="Store paths" value={String(closure.length)} />}
        {client !== null && <Fact label="With shell already there" value={bytes(client.size)} />}
      </dl>
      <div class="command">
        <pre tabIndex={0} aria-label="Docker command">
          {pull}
        </pre>
        <Copy text={pull} what="the command" />
      </div>
      <p class="quiet facts-line">
        {answer.packageSet} at <code>{answer.revision}</code>
        {manifests[0] !== undefined && (
          <>
            <br />
            {platform.platform} is <code class="break">{manifests[0].digest}</code>
          </>
        )}
      </p>
      {manifests[0] !== undefined && <SbomLink name={answer.name} digest={manifests[0].digest} />}
      <h2>Layers</h2>
      <LayerMap layers={layers} closure={closure ?? null} chosen={layer} onChoose={setLayer} />
      {closure != null && (
        <>
          <h2>Store paths</h2>
          <Closure closure={closure} layers={layers} layer={layer} onLayer={setLayer} />
        </>
      )}
      <h2>Compare</h2>
      <Difference reference={reference} name={answer.name} platform={platform.platform} />
    </>
  );
}

function NotBuilt({ platform, reference }: Pick<PlatformProps, "platform" | "reference">) {
  const names = platform.build?.packages ?? [];
  return (
    <>
      <p class="notice">
        {platform.message ??
          `${reference} is not built: ${plural(names.length, "package")} would have to be first.`}
      </p>
      <ul class="plain">
        {platform.packages.map(({ name, state, version, message, nearest = [] }) => (
          <li key={name}>
            <b class="name">{name}</b> {version}{" "}
            <span class={`tagged ${state}`}>
              {state === "built" ? "built" : state === "unbuilt" ? "to be built" : "unknown"}
            </span>
            {message !== undefined && (
              <p class="quiet">
                {message}
                {nearest.length > 0 && `; perhaps ${nearest.join(", ")}`}
              </p>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}
