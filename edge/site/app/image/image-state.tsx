/** Whether an image can be pulled; if not, what is missing and what to do about it. */
import { useState } from "preact/hooks";
import type { PlatformView } from "../../../contract/api.ts";
import { OCI_INDEX, OCI_MANIFEST } from "../../../contract/media-types.ts";
import { fromRegistry, Refused } from "../api.ts";
import { plural } from "../format.ts";
import { Trouble } from "../trouble.tsx";

/** The Accept header of a client that takes OCI images. */
const ACCEPT = [OCI_INDEX, OCI_MANIFEST].join(", ");
/**
 * How long the page waits for a refusal (no account, a limit) before it shows the build,
 * milliseconds; also the time for the request to be sent, since leaving a page cancels unsent
 * requests.
 */
const REFUSED_MS = 400;

interface StateProps {
  readonly platform: PlatformView;
  readonly pull: { readonly name: string; readonly tag: string };
  readonly onReplace: (wrong: string, right: string) => void;
}

/** The state of an image on one platform. */
export function State({ platform, pull, onReplace }: StateProps) {
  switch (platform.state) {
    case "made":
      return <p class="state good">Ready to pull.</p>;
    case "ready":
      return <p class="state good">Ready to pull: all packages are built.</p>;
    case "unbuilt":
      return <Unbuilt platform={platform} pull={pull} />;
    case "unknown":
      return <Unknown platform={platform} onReplace={onReplace} />;
  }
}

/** What must be built, and a button that has it built. */
function Unbuilt({ platform: { build, packages }, pull }: Pick<StateProps, "platform" | "pull">) {
  const requested = new Set(packages.filter((each) => each.requested).map(({ name }) => name));
  const missing = build?.packages ?? [];
  const own = missing.filter((name) => requested.has(name));
  const others = missing.length - own.length;
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const begin = async (): Promise<void> => {
    const { name, tag } = pull;
    const init = { headers: { Accept: ACCEPT }, keepalive: true };
    setBusy(true);
    setError(null);
    try {
      // This request starts the build; the build page shows how it ends.
      const asked = fromRegistry(name, `manifests/${tag || "latest"}`, init);
      await Promise.race([asked, new Promise((resolve) => setTimeout(resolve, REFUSED_MS))]);
    } catch (refused) {
      // A build that failed at once has a log; one that was not allowed has none.
      if (refused instanceof Refused && refused.status < 500) {
        setBusy(false);
        return setError(refused);
      }
    }
    const image = new URLSearchParams({ image: name, ...(tag === "" ? {} : { tag }) });
    location.assign(`${build?.url ?? "/"}?${image}`);
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
        . The first pull waits for that.
      </p>
      <button type="button" class="primary" disabled={busy} onClick={() => void begin()}>
        {busy ? "Asking for it…" : "Build it now"}
      </button>
      {error !== null && <Trouble error={error} />}
    </div>
  );
}

/** Packages that do not exist, each with the nearest names that do. */
function Unknown({ platform, onReplace }: Pick<StateProps, "platform" | "onReplace">) {
  const unknown = platform.packages.filter(({ state }) => state === "unknown");
  return (
    <div class="state bad">
      {unknown.length === 0 && <p>{platform.message}</p>}
      {unknown.map(({ name, message, nearest = [] }) => (
        <div key={name}>
          <p>{message}</p>
          {nearest.length > 0 && (
            <p class="popular">
              Did you mean{" "}
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
              ?
            </p>
          )}
        </div>
      ))}
    </div>
  );
}
