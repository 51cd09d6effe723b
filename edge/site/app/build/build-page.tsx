/** `/builds/ID`: watching a build. */
import { useEffect, useRef, useState } from "preact/hooks";
import { BASE_PACKAGES } from "../../../contract/name-rules.ts";
import { Refused } from "../api.ts";
import { PullCommand } from "../command-box.tsx";
import { composeLink } from "../compose/composition.ts";
import { elapsed } from "../format.ts";
import { ImageName } from "../image-name.tsx";
import { Trouble } from "../trouble.tsx";
import { type End, useBuildLog, type Watched } from "./build-log.ts";
import { type Phase, PHASES } from "./build-phases.ts";

/** How often the elapsed time is shown anew, milliseconds. */
const ELAPSED_MS = 1_000;

/** The page that follows a build. */
export function Build({ id }: { readonly id: string }) {
  const watched = useBuildLog(id);
  const query = new URLSearchParams(location.search);
  const { packages, end, error, phase, building } = watched;
  const name =
    query.get("image") ?? packages.filter((each) => !BASE_PACKAGES.includes(each)).join("/");
  const heading = title(watched, name);
  // Shows the progress in the tab's title.
  useEffect(() => {
    document.title = `${heading} · Firn`;
  }, [heading]);
  return (
    <>
      <p class="crumbs">
        <a href={name === "" ? "/" : composeLink(name, query.get("tag") ?? "")}>Compose</a>{" "}
        <span aria-hidden="true">/</span> Build <code>{id.slice(0, 12)}</code>
      </p>
      <h1>
        <ImageName name={heading} />
      </h1>
      {error === null && <Phases phase={phase} end={end} />}
      {error !== null && <BuildTrouble error={error} name={name} />}
      {end === null && error === null && (
        <p class="quiet">
          <span role="status">{building === null ? WORDS[phase] : `Building ${building}`}</span>
          <Elapsed />
        </p>
      )}
      {end?.state === "done" && <Pull name={name} tag={query.get("tag") ?? ""} />}
      {end?.state === "failed" && (
        <p class="notice bad" role="alert">
          {end.message ?? "The build failed; the end of the log says why."}
        </p>
      )}
      {watched.lines.length > 0 && <Log lines={watched.lines} following={end === null} />}
    </>
  );
}

/** Time since the page was opened, so that a silent step is seen to be running. */
function Elapsed() {
  const [since] = useState(Date.now);
  const [now, setNow] = useState(since);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), ELAPSED_MS);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.round((now - since) / 1_000);
  return seconds === 0 ? null : <span aria-hidden="true"> · {elapsed(seconds)}</span>;
}

const WORDS: Record<Phase, string> = {
  Waiting: "Waiting for a machine to take it",
  Evaluating: "Evaluating what has to be built",
  Building: "Building",
  Packing: "Packing layers",
  Done: "Done",
};

function title({ end, error }: Watched, name: string): string {
  const what = name === "" ? "A build" : name;
  if (error !== null) return name === "" ? "No such build" : what;
  if (end === null) return `Building ${what}`;
  return end.state === "done" ? `${what} is built` : `${what} could not be built`;
}

function BuildTrouble({ error, name }: { readonly error: Error; readonly name: string }) {
  if (!(error instanceof Refused) || error.status !== 404) return <Trouble error={error} />;
  return (
    <>
      <p class="notice">
        A build’s log is here while it runs and for a short time afterwards. This one is over, or
        there never was such a build.
      </p>
      {name !== "" && (
        <p>
          <a class="look" href={`/i/${name}`}>
            Look at {name}
          </a>
        </p>
      )}
    </>
  );
}

function Phases({ phase, end }: { readonly phase: Phase; readonly end: End | null }) {
  const reached = end?.state === "done" ? PHASES.length - 1 : PHASES.indexOf(phase);
  return (
    <ol class={`phases ${end?.state ?? ""}`} aria-label="Progress">
      {PHASES.map((each, at) => (
        <li
          key={each}
          class={at < reached ? "over" : at === reached ? "now" : ""}
          {...(at === reached ? { "aria-current": "step" as const } : {})}
        >
          {each}
        </li>
      ))}
    </ol>
  );
}

function Pull({ name, tag }: { readonly name: string; readonly tag: string }) {
  return (
    <>
      <p class="state good" role="status">
        It is ready. Pull it:
      </p>
      <PullCommand name={name} tag={tag} />
      <p>
        <a class="look" href={`/i/${name}${tag === "" ? "" : `?tag=${encodeURIComponent(tag)}`}`}>
          Look inside
        </a>
      </p>
    </>
  );
}

interface LogProps {
  readonly lines: readonly string[];
  readonly following: boolean;
}

/** The end of the log stays in view unless somebody scrolls up. */
function Log({ lines, following }: LogProps) {
  const box = useRef<HTMLPreElement>(null);
  const atEnd = useRef(true);
  useEffect(() => {
    if (box.current !== null && atEnd.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);
  return (
    <>
      <h2>Log {following && <small class="live">live</small>}</h2>
      <pre
        class="log"
        ref={box}
        tabIndex={0}
        aria-label="Log of the build"
        onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
          atEnd.current = scrollHeight - scrollTop - clientHeight < 40;
        }}
      >
        {lines.join("\n")}
      </pre>
    </>
  );
}
