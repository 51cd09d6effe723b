/**
 * A list that is too long for a name: the registry gives it a short one, when somebody asks for it.
 */
import { useState } from "preact/hooks";
import type { AliasAnswer } from "../../contract/alias.ts";
import { send } from "./api.ts";
import { type Composition, components, MAX_NAME, MAX_PACKAGES, whyLong } from "./composition.ts";
import { Trouble } from "./components.tsx";

interface ShortNameProps {
  readonly composition: Composition;
  /** Hears of the alias, without a platform: `x/7f0c…`. */
  readonly onMade: (alias: string) => void;
}

/** In the place of the commands, while a list has no name. */
export function ShortName({ composition, onMade }: ShortNameProps) {
  const [error, setError] = useState<Error | null>(null);
  const [busy, setBusy] = useState(false);
  const why = whyLong(composition);
  const count = composition.packages.length;
  if (why === "packages")
    return (
      <p class="notice bad" role="alert">
        An image holds {MAX_PACKAGES} packages at most, since docker mounts so many layers and no
        more. These are {count}: leave out {count - MAX_PACKAGES}.
      </p>
    );
  const make = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      // The platform stands before an alias, so the same one is for all of them.
      const list = components({ ...composition, platform: "any" });
      const answer = await send("/api/aliases", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(list),
      });
      onMade(((await answer.json()) as AliasAnswer).name);
    } catch (failed) {
      setError(failed as Error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div class="short-name">
      <p class="notice">
        A list this long does not fit into a name
        {why === "characters" && `, which has ${MAX_NAME} characters at most`}. A short name stands
        for it instead: the same packages have the same one at every Firn, and it never means
        others.
      </p>
      <button type="button" class="primary" disabled={busy} onClick={() => void make()}>
        Make a short name
      </button>
      {error !== null && <Trouble error={error} />}
    </div>
  );
}
