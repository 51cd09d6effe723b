/** `/`: composing an image. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { DemandAnswer, FailuresAnswer, ImageView } from "../../contract/api.ts";
import { ShortName } from "./alias.tsx";
import { type Asked, Refused, useAnswer } from "./api.ts";
import { command, type Kind, KINDS } from "./commands.ts";
import {
  aliasedName,
  type Composition,
  formatComposition,
  imageName,
  parseComposition,
  type Platform,
  PLATFORMS,
  whyLong,
} from "./composition.ts";
import { ImageFacts } from "./image-facts.tsx";
import { ago, bytes } from "./format.ts";
import { CommandBox, Tabs } from "./components.tsx";
import { Picker } from "./package-picker.tsx";

/** After the last change, milliseconds. */
const SETTLED_MS = 200;
const POPULAR = 10;

const PLATFORM_WORDS: Record<Platform, string> = {
  any: "any",
  amd64: "linux/amd64",
  arm64: "linux/arm64",
};

/** The page on which an image is composed. */
export function Compose() {
  const [composition, setComposition] = useState(() => parseComposition(location.search));
  const change = (more: Partial<Composition>): void => setComposition({ ...composition, ...more });
  useEffect(() => {
    history.replaceState(null, "", `/${formatComposition(composition)}`);
  }, [composition]);
  useEffect(() => {
    const back = (): void => setComposition(parseComposition(location.search));
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);

  const { packages, tag } = composition;
  // By the list that it stands for, written out; what is changed back finds it again.
  const [aliases, setAliases] = useState<Readonly<Record<string, string>>>({});
  const list = imageName({ ...composition, platform: "any" });
  const isLong = whyLong(composition) !== null;
  const alias = isLong ? aliases[list] : undefined;
  const name = alias === undefined ? imageName(composition) : aliasedName(composition, alias);
  const isNamed = !isLong || alias !== undefined;
  const tagQuery = tag === "" ? "" : `&tag=${encodeURIComponent(tag)}`;
  const view = useAnswer<ImageView>(
    name === "" || !isNamed ? null : `/api/images/${name}?has=shell${tagQuery}`,
    { delay: SETTLED_MS },
  );
  const remove = (gone: string): void =>
    change({ packages: packages.filter((each) => each !== gone) });
  const add = (added: string): void =>
    setComposition((now) => ({ ...now, packages: [...new Set([...now.packages, added])] }));
  return (
    <>
      <h1>Name the packages. Pull the image.</h1>
      <p class="lede">
        The name of an image is the list of its packages. It is built with Nix when you pull it.
      </p>
      <div class="columns">
        <section class="composer" aria-label="Packages of the image">
          <Picker
            chosen={packages}
            query={tagQuery}
            onAdd={add}
            onRemoveLast={() => change({ packages: packages.slice(0, -1) })}
          />
          <Chips packages={packages} view={view} onRemove={remove} />
          <Popular chosen={packages} onAdd={add} />
          <Options composition={composition} view={view} onChange={change} />
          {isNamed ? (
            <Commands composition={composition} name={name} view={view} />
          ) : (
            <ShortName
              composition={composition}
              onMade={(made) => setAliases((known) => ({ ...known, [list]: made }))}
            />
          )}
        </section>
        <section class="about" aria-label="The image">
          <ImageFacts
            name={isNamed ? name : ""}
            tag={tag}
            view={view}
            title={alias}
            empty={
              isNamed
                ? "Add packages to see what the image contains."
                : "Make a short name to see what the image contains."
            }
            onReplace={replaceIn(composition, change)}
          />
          <p class="sr" role="status">
            {summary(view)}
          </p>
        </section>
      </div>
      <Explained />
      <Failures />
    </>
  );
}

/** What changed, for people who use a screen reader; empty while it loads. */
function summary({ answer, error, loading }: Asked<ImageView>): string {
  const [first] = answer?.platforms ?? [];
  if (loading || error !== null || answer === null || first === undefined) return "";
  const words = {
    made: "ready to pull",
    ready: "ready to pull",
    unbuilt: "must be built first",
    unknown: "has an unknown package",
  };
  const size = first.size === null ? "" : `, ${bytes(first.size)} to download`;
  return `${answer.title}: ${words[first.state]}${size}`;
}

/** Whether the registry has no such image, so that there is nothing to copy. */
const isRefused = ({ answer, error }: Asked<ImageView>): boolean =>
  (error instanceof Refused && [400, 404].includes(error.status)) ||
  answer?.platforms.some(({ state }) => state === "unknown") === true;

const replaceIn =
  (composition: Composition, change: (more: Partial<Composition>) => void) =>
  (wrong: string, right: string): void =>
    change({
      packages: [...new Set(composition.packages.map((each) => (each === wrong ? right : each)))],
    });

interface ChipsProps {
  readonly packages: readonly string[];
  readonly view: Asked<ImageView>;
  readonly onRemove: (name: string) => void;
}

function Chips({ packages, view, onRemove }: ChipsProps) {
  const list = useRef<HTMLUListElement>(null);
  if (packages.length === 0) return null;
  /** The focus stays close: it moves to the next package, or else to the search. */
  const remove = (name: string, at: number): void => {
    const buttons = list.current?.querySelectorAll("button");
    const next = buttons?.[at + 1] ?? buttons?.[at - 1] ?? document.getElementById("find");
    onRemove(name);
    next?.focus();
  };
  const facts = new Map(view.answer?.platforms[0]?.packages.map((each) => [each.name, each]));
  return (
    <ul class="chips" aria-label="Chosen packages" ref={list}>
      {packages.map((name, at) => (
        <li key={name} class={facts.get(name)?.state === "unknown" ? "unknown" : ""}>
          <span class="name">{name}</span>
          {facts.get(name)?.version && <span class="version">{facts.get(name)?.version}</span>}
          {facts.get(name)?.state === "unknown" && <span class="sr">unknown</span>}
          <button type="button" aria-label={`Remove ${name}`} onClick={() => remove(name, at)}>
            ×
          </button>
        </li>
      ))}
    </ul>
  );
}

interface PopularProps {
  readonly chosen: readonly string[];
  readonly onAdd: (name: string) => void;
}

function Popular({ chosen, onAdd }: PopularProps) {
  const list = useRef<HTMLParagraphElement>(null);
  const { answer } = useAnswer<DemandAnswer>(`/api/demand?limit=${POPULAR + 6}`);
  const shell = new Set(["bashinteractive", "coreutils", "moreutils", "nano"]);
  const names = (answer?.packages ?? [])
    .map(({ name }) => name)
    .filter((name) => !chosen.includes(name) && !shell.has(name))
    .slice(0, POPULAR);
  if (names.length === 0) return null;
  const add = (name: string, at: number): void => {
    const buttons = list.current?.querySelectorAll("button");
    (buttons?.[at + 1] ?? buttons?.[at - 1])?.focus();
    onAdd(name);
  };
  return (
    <p class="popular" ref={list}>
      Often pulled:{" "}
      {names.map((name, at) => (
        <button type="button" class="suggestion" key={name} onClick={() => add(name, at)}>
          <span class="sr">Add </span>
          {name}
        </button>
      ))}
    </p>
  );
}

interface OptionsProps {
  readonly composition: Composition;
  readonly view: Asked<ImageView>;
  readonly onChange: (more: Partial<Composition>) => void;
}

function Options({ composition, view, onChange }: OptionsProps) {
  const { shell, platform, tag, pin } = composition;
  const revision = view.answer?.revision ?? null;
  return (
    <div class="options">
      <label>
        Platform
        <select
          value={platform}
          onChange={(event) => onChange({ platform: event.currentTarget.value as Platform })}
        >
          {PLATFORMS.map((each) => (
            <option key={each} value={each}>
              {PLATFORM_WORDS[each]}
            </option>
          ))}
        </select>
      </label>
      <label>
        Tag
        <input
          type="text"
          class="tag"
          value={tag}
          placeholder="latest"
          aria-invalid={tag !== "" && view.error !== null && isRefused(view)}
          spellcheck={false}
          autocapitalize="none"
          onInput={(event) => onChange({ tag: event.currentTarget.value.trim(), pin: false })}
        />
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={shell}
          onChange={(event) => onChange({ shell: event.currentTarget.checked })}
        />
        <span>
          <b>shell</b> bash and the usual tools
        </span>
      </label>
      <label class="check" title={revision === null ? "" : `Revision ${revision}`}>
        <input
          type="checkbox"
          checked={pin}
          disabled={revision === null}
          onChange={(event) => onChange({ pin: event.currentTarget.checked })}
        />
        <span>
          <b>pin</b> stay at this revision
        </span>
      </label>
    </div>
  );
}

interface CommandsProps {
  readonly composition: Composition;
  readonly name: string;
  readonly view: Asked<ImageView>;
}

function Commands({ composition, name, view }: CommandsProps) {
  const [kind, setKind] = useState<Kind>("Docker");
  if (name === "")
    return (
      <p class="notice">Add a package or the shell to get the command that pulls the image.</p>
    );
  if (isRefused(view))
    return <p class="notice">This image does not exist, so there is no command to pull it.</p>;
  const text = command(kind, {
    host: location.host,
    plain: location.protocol === "http:",
    name,
    tag: (composition.pin ? view.answer?.revision : null) ?? composition.tag,
    shell: composition.shell,
  });
  return (
    <Tabs label="Command for" id="command" tabs={KINDS} chosen={kind} onChoose={setKind}>
      <CommandBox kind={kind} text={text} />
    </Tabs>
  );
}

function Explained() {
  return (
    <section class="explained">
      <h2>How names work</h2>
      <dl>
        <div>
          <dt>
            <code>git/curl</code>
          </dt>
          <dd>An image of these packages, in any order. CA certificates are always included.</dd>
        </div>
        <div>
          <dt>
            <code>shell/git</code>
          </dt>
          <dd>With bash, coreutils and an editor. The image starts bash.</dd>
        </div>
        <div>
          <dt>
            <code>python3packages.flask</code>
          </dt>
          <dd>A package of a nested set: Nix’s name for it, in lower case.</dd>
        </div>
        <div>
          <dt>
            <code>arm64/git</code>
          </dt>
          <dd>Pins the platform. Otherwise every machine gets the image for its own.</dd>
        </div>
        <div>
          <dt>
            <code>git:TAG</code>
          </dt>
          <dd>
            From another state of the package set: a channel or branch, a date, or a revision of 40
            digits, which always means the same image.
          </dd>
        </div>
        <div>
          <dt>Built once</dt>
          <dd>
            A package is built when somebody first asks for it, on the operator’s own machines.
            Images share layers, so you download each of them only once.
          </dd>
        </div>
      </dl>
    </section>
  );
}

function Failures() {
  const { answer } = useAnswer<FailuresAnswer>("/api/failures");
  if (answer === null || answer.failures.length === 0) return null;
  const now = Date.now();
  return (
    <section class="failures">
      <h2>Recent failures</h2>
      <ul>
        {answer.failures.slice(0, 5).map(({ at, name, system, message }) => (
          <li key={`${system} ${name}`}>
            <b class="name">{name}</b> <span class="quiet">{ago(at, now)}</span>
            <p>{message}</p>
          </li>
        ))}
      </ul>
    </section>
  );
}
