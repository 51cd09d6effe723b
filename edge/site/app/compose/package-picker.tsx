/** Finding packages by typing: a combobox with a list (ARIA Authoring Practices, "Combobox"). */
import { useEffect, useRef, useState } from "preact/hooks";
import type { FoundPackage, SearchAnswer } from "../../../contract/api.ts";
import { useAnswer } from "../api.ts";
import { messageOf } from "../trouble.tsx";
import { isPackage } from "./composition.ts";
import { plural } from "../format.ts";

/** How long after the last key the registry is asked, milliseconds. */
const TYPING_MS = 120;
/** Most packages that are listed. */
const SHOWN = 8;

interface PickerProps {
  readonly chosen: readonly string[];
  /** Of the tag that is composed at. */
  readonly query: string;
  readonly onAdd: (name: string) => void;
  readonly onRemoveLast: () => void;
}

/** The search field with its list of packages. */
export function Picker({ chosen, query, onAdd, onRemoveLast }: PickerProps) {
  const [text, setText] = useState("");
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  const word = text.trim();
  const path = `/api/search?limit=${SHOWN}&q=${encodeURIComponent(word.slice(0, 100))}${query}`;
  const { answer, error, loading } = useAnswer<SearchAnswer>(open || word !== "" ? path : null, {
    delay: TYPING_MS,
  });
  const found = (answer?.packages ?? []).filter(({ name }) => !chosen.includes(name));
  const options = withTyped(found, word.toLowerCase(), chosen, answer?.listed === false);
  useEffect(() => setActive(0), [word]);

  const shown = open && (options.length > 0 || word !== "");

  const add = (name: string | undefined): void => {
    if (name === undefined) return;
    if (!isSet(name)) onAdd(name);
    setText(isSet(name) ? `${name}.` : "");
    input.current?.focus();
  };
  const keys: Record<string, () => void> = {
    ArrowDown: () => {
      setOpen(true);
      setActive((active + 1) % Math.max(1, options.length));
    },
    ArrowUp: () => setActive((active - 1 + options.length) % Math.max(1, options.length)),
    Enter: () => add(options[active]?.name),
    Escape: () => (shown ? setOpen(false) : setText("")),
  };
  return (
    <div class="picker">
      <input
        ref={input}
        id="find"
        type="text"
        role="combobox"
        placeholder="Find packages: git, python3…"
        autocomplete="off"
        autocapitalize="none"
        spellcheck={false}
        aria-label="Find packages"
        aria-autocomplete="list"
        aria-expanded={shown}
        aria-controls="found"
        aria-activedescendant={shown && options.length > 0 ? `found-${active}` : undefined}
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setOpen(true);
        }}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyDown={(event) => {
          if (event.key === "Backspace" && text === "") onRemoveLast();
          const act = keys[event.key];
          if (act === undefined) return;
          event.preventDefault();
          act();
        }}
      />
      <Found
        options={options}
        active={active}
        hidden={!shown || options.length === 0}
        onPick={add}
        onPoint={setActive}
      />
      <p class="none" role="status" hidden={!shown || options.length > 0 || loading}>
        {error !== null && messageOf(error)}
        {answer !== null && `No package’s name or description has “${word}”.`}
      </p>
      <p class="sr" role="status">
        {shown && !loading && options.length > 0 && `${plural(options.length, "package")} found`}
      </p>
    </div>
  );
}

interface FoundProps {
  readonly options: readonly FoundPackage[];
  /** Index of the option that Enter picks. */
  readonly active: number;
  readonly hidden: boolean;
  readonly onPick: (name: string) => void;
  readonly onPoint: (at: number) => void;
}

/** The list of packages below the search field. */
function Found({ options, active, hidden, onPick, onPoint }: FoundProps) {
  return (
    <ul id="found" role="listbox" aria-label="Packages" hidden={hidden}>
      {options.map((option, at) => (
        <li
          role="option"
          key={option.name}
          id={`found-${at}`}
          aria-selected={at === active}
          onPointerDown={(event) => {
            event.preventDefault();
            onPick(option.name);
          }}
          onPointerMove={() => onPoint(at)}
        >
          <span class="name">{option.name}</span>
          {option.version !== undefined && <span class="version">{option.version}</span>}
          <span class="description">
            {isSet(option.name)
              ? "A set of packages: select it to search in it"
              : option.description}
          </span>
        </li>
      ))}
    </ul>
  );
}

/** Whether a name is that of a nested set, by nixpkgs' naming conventions. */
const isSet = (name: string): boolean => name.endsWith("packages");

/** What is typed can be used as it is when there is no list of names. */
function withTyped(
  found: readonly FoundPackage[],
  word: string,
  chosen: readonly string[],
  unlisted: boolean,
): readonly FoundPackage[] {
  if (!unlisted || !isPackage(word) || chosen.includes(word)) return found;
  return [{ name: word, attribute: word, pulls: 0, description: "as typed" }];
}
