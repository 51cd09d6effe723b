/** What is different between this image and another one, or itself at another tag. */
import { useState } from "preact/hooks";
import type { DiffAnswer } from "../../../contract/api.ts";
import { useAnswer } from "../api.ts";
import { bytes, plural } from "../format.ts";
import { Fact } from "../fact.tsx";
import { Trouble } from "../trouble.tsx";

interface DifferenceProps {
  /** Name and tag of this image. */
  readonly reference: string;
  readonly name: string;
  readonly platform: string;
}

/** A form that compares the image with another one, and the result. */
export function Difference({ reference, name, platform }: DifferenceProps) {
  const asked = new URLSearchParams(location.search).get("from") ?? "";
  const [text, setText] = useState(asked);
  const [from, setFrom] = useState(asked);
  const query = new URLSearchParams({ from, to: reference, platform });
  const { answer, error, loading } = useAnswer<DiffAnswer>(
    from === "" ? null : `/api/diff?${query}`,
  );
  const submit = (event: Event): void => {
    event.preventDefault();
    // A tag alone is of the same image.
    const whole = text.trim().startsWith(":") ? name + text.trim() : text.trim();
    setFrom(whole);
    const address = new URL(location.href);
    if (whole === "") address.searchParams.delete("from");
    else address.searchParams.set("from", whole);
    history.replaceState(null, "", address);
  };
  return (
    <div class="difference">
      <form class="filter" onSubmit={submit}>
        <label>
          With another image, or another tag of this one
          <input
            type="text"
            value={text}
            placeholder="shell/git or :TAG"
            spellcheck={false}
            autocapitalize="none"
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
        <button class="primary">Compare</button>
      </form>
      {error !== null && <Trouble error={error} />}
      {loading && answer === null && <p class="quiet">Comparing…</p>}
      {answer !== null && <Changes answer={answer} />}
    </div>
  );
}

function Changes({ answer }: { readonly answer: DiffAnswer }) {
  const { packages, closure, moved, kept } = answer;
  return (
    <div class="changes" role="status">
      <dl class="numbers wide">
        <Fact label="To download" value={bytes(moved.size)} note={plural(moved.layers, "layer")} />
        <Fact label="Already there" value={bytes(kept.size)} note={plural(kept.layers, "layer")} />
      </dl>
      <ChangeList title="Packages" {...packages} />
      {closure !== null && (
        <ChangeList
          title="Store paths"
          added={closure.added.map(({ name, size }) => ({ name, version: bytes(size) }))}
          removed={closure.removed.map(({ name, size }) => ({ name, version: bytes(size) }))}
          changed={closure.changed}
          rebuilt={closure.rebuilt}
        />
      )}
    </div>
  );
}

interface ListProps {
  readonly title: string;
  readonly added: readonly { readonly name: string; readonly version: string }[];
  readonly removed: readonly { readonly name: string; readonly version: string }[];
  readonly changed: readonly {
    readonly name: string;
    readonly from: string;
    readonly to: string;
  }[];
  readonly rebuilt?: readonly string[];
}

function ChangeList({ title, added, removed, changed, rebuilt = [] }: ListProps) {
  const count = added.length + removed.length + changed.length + rebuilt.length;
  return (
    <section>
      <h3>
        {title} <small>{count === 0 ? "no difference" : plural(count, "difference")}</small>
      </h3>
      <ul class="diff">
        {changed.map(({ name, from, to }) => (
          <li class="changed" key={`c${name}${to}`}>
            <span class="name">{name}</span> {from || "(no version)"} →{" "}
            <b>{to || "(no version)"}</b>
          </li>
        ))}
        {added.map(({ name, version }) => (
          <li class="added" key={`a${name}`}>
            <span class="sr">Added: </span>
            <span class="name">{name}</span> {version}
          </li>
        ))}
        {removed.map(({ name, version }) => (
          <li class="removed" key={`r${name}`}>
            <span class="sr">Removed: </span>
            <span class="name">{name}</span> {version}
          </li>
        ))}
        {rebuilt.length > 0 && (
          <li class="rebuilt">
            Same version, built anew: <span class="name">{rebuilt.slice(0, 12).join(", ")}</span>
            {rebuilt.length > 12 && ` and ${rebuilt.length - 12} more`}
          </li>
        )}
      </ul>
    </section>
  );
}
