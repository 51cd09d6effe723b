/** Packages that are pulled often, to choose from. */
import { useRef } from "preact/hooks";
import type { DemandAnswer } from "../../../contract/api.ts";
import { SHELL_PACKAGES } from "../../../contract/name-rules.ts";
import { useAnswer } from "../api.ts";

/** Most packages that are suggested. */
const SUGGESTED = 10;

interface PopularProps {
  readonly chosen: readonly string[];
  readonly onAdd: (name: string) => void;
}

/** Nothing until pulls were counted. */
export function PopularPackages({ chosen, onAdd }: PopularProps) {
  const list = useRef<HTMLParagraphElement>(null);
  const { answer } = useAnswer<DemandAnswer>(
    `/api/demand?limit=${SUGGESTED + SHELL_PACKAGES.length}`,
  );
  const names = (answer?.packages ?? [])
    .map(({ name }) => name)
    .filter((name) => !chosen.includes(name) && !SHELL_PACKAGES.includes(name))
    .slice(0, SUGGESTED);
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
