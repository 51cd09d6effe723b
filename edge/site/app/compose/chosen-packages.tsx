/** The packages that were chosen, each with a button that removes it. */
import { useRef } from "preact/hooks";
import type { ImageView } from "../../../contract/api.ts";
import type { Asked } from "../api.ts";

interface ChosenProps {
  readonly packages: readonly string[];
  readonly view: Asked<ImageView>;
  readonly onRemove: (name: string) => void;
}

/** `view`: what the registry knows of the image, for versions and unknown names. */
export function ChosenPackages({ packages, view, onRemove }: ChosenProps) {
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
