/**
 * A list that is too long for a name: the registry gives it a short one, when somebody asks for it.
 */
import { useState } from "preact/hooks";
import type { AliasAnswer } from "../../../contract/alias.ts";
import { MAX_ALIAS_PACKAGES, MAX_NAME_LENGTH } from "../../../contract/name-rules.ts";
import { send } from "../api.ts";
import { type Composition, components, whyLong } from "./composition.ts";
import { Trouble } from "../trouble.tsx";

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
        An image has at most {MAX_ALIAS_PACKAGES} packages, because docker limits its layers. The
        list has {count}: remove {count - MAX_ALIAS_PACKAGES}.
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
        {why === "characters" && `, which has at most ${MAX_NAME_LENGTH} characters`}. A short name
        can stand for it instead. It is the same for these packages at every Firn, and never
        changes.
      </p>
      <button type="button" class="primary" disabled={busy} onClick={() => void make()}>
        Make a short name
      </button>
      {error !== null && <Trouble error={error} />}
    </div>
  );
}
