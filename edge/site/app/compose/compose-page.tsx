/** `/`: composing an image. */
import { useEffect, useState } from "preact/hooks";
import type { ImageView } from "../../../contract/api.ts";
import { type Asked, useAnswer } from "../api.ts";
import { bytes } from "../format.ts";
import { ImageFacts } from "../image/image-facts.tsx";
import { RecentFailures } from "../recent-failures.tsx";
import { ChosenPackages } from "./chosen-packages.tsx";
import {
  aliasedName,
  type Composition,
  formatComposition,
  imageName,
  parseComposition,
  whyLong,
} from "./composition.ts";
import { HowNamesWork } from "./how-names-work.tsx";
import { ImageCommands } from "./image-commands.tsx";
import { Options } from "./options.tsx";
import { Picker } from "./package-picker.tsx";
import { PopularPackages } from "./popular-packages.tsx";
import { ShortName } from "./short-name.tsx";

/** How long after the last change the registry is asked, milliseconds. */
const SETTLED_MS = 200;
/** Most recent failures that are shown. */
const FAILURES = 5;

/** The page on which an image is composed. */
export function Compose() {
  const [composition, change] = useComposition();
  const { packages, tag } = composition;
  const { name, alias, onAlias } = useImageName(composition);
  const tagQuery = tag === "" ? "" : `&tag=${encodeURIComponent(tag)}`;
  const path = name === null || name === "" ? null : `/api/images/${name}?has=shell${tagQuery}`;
  const view = useAnswer<ImageView>(path, { delay: SETTLED_MS });
  const choose = (chosen: readonly string[]): void => change({ packages: [...new Set(chosen)] });
  const add = (added: string): void => choose([...packages, added]);
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
            onRemoveLast={() => choose(packages.slice(0, -1))}
          />
          <ChosenPackages
            packages={packages}
            view={view}
            onRemove={(gone) => choose(packages.filter((each) => each !== gone))}
          />
          <PopularPackages chosen={packages} onAdd={add} />
          <Options composition={composition} view={view} onChange={change} />
          {name === null ? (
            <ShortName composition={composition} onMade={onAlias} />
          ) : (
            <ImageCommands composition={composition} name={name} view={view} />
          )}
        </section>
        <section class="about" aria-label="The image">
          <ImageFacts
            name={name ?? ""}
            tag={tag}
            view={view}
            title={alias}
            empty={
              name === null
                ? "Make a short name to see what the image contains."
                : "Add packages to see what the image contains."
            }
            onReplace={(wrong, right) =>
              choose(packages.map((each) => (each === wrong ? right : each)))
            }
          />
          <p class="sr" role="status">
            {summary(view)}
          </p>
        </section>
      </div>
      <HowNamesWork />
      <RecentFailures most={FAILURES} />
    </>
  );
}

/** The composition in the address, and how to change it: the address follows. */
function useComposition() {
  const [composition, setComposition] = useState(() => parseComposition(location.search));
  useEffect(() => {
    history.replaceState(null, "", `/${formatComposition(composition)}`);
  }, [composition]);
  useEffect(() => {
    const back = (): void => setComposition(parseComposition(location.search));
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);
  const change = (more: Partial<Composition>): void =>
    setComposition((now) => ({ ...now, ...more }));
  return [composition, change] as const;
}

/**
 * The name of the image: empty when nothing is chosen, null when the list is too long for a name
 * and has no alias yet. `onAlias` is to be told the alias once there is one.
 */
function useImageName(composition: Composition) {
  // By the list that an alias stands for, so that a list that is changed back finds its own again.
  const [aliases, setAliases] = useState<Readonly<Record<string, string>>>({});
  const list = imageName({ ...composition, platform: "any" });
  const onAlias = (made: string): void => setAliases((known) => ({ ...known, [list]: made }));
  if (whyLong(composition) === null)
    return { name: imageName(composition), alias: undefined, onAlias };
  const alias = aliases[list];
  return { name: alias === undefined ? null : aliasedName(composition, alias), alias, onAlias };
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
