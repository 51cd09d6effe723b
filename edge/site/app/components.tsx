/** Small parts of several pages. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { isSignedIn, Refused, signIn } from "./api.ts";

/** How long a button says that it has copied, milliseconds. */
const COPIED_MS = 2_000;

export function Copy({ text, what }: { readonly text: string; readonly what: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), COPIED_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <button
      type="button"
      class="copy"
      aria-label={copied ? "Copied" : `Copy ${what}`}
      onClick={() => void writeText(text).then(() => setCopied(true))}
    >
      {copied ? "Copied" : "Copy"}
      <span class="sr" role="status">
        {copied ? "Copied" : ""}
      </span>
    </button>
  );
}

/** The clipboard's own interface is there with TLS and on this machine only. */
async function writeText(text: string): Promise<void> {
  if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

interface TabsProps<T extends string> {
  readonly label: string;
  readonly tabs: readonly T[];
  readonly chosen: T;
  readonly onChoose: (tab: T) => void;
  readonly id: string;
  readonly children: ComponentChildren;
}

/** Tabs as ARIA has them: arrows move between them, one of them is in the tab order. */
export function Tabs<T extends string>(props: TabsProps<T>) {
  const { label, tabs, chosen, onChoose, id, children } = props;
  const list = useRef<HTMLDivElement>(null);
  const move = (event: KeyboardEvent): void => {
    const steps: Record<string, number> = { ArrowRight: 1, ArrowLeft: -1 };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = (tabs.indexOf(chosen) + step + tabs.length) % tabs.length;
    onChoose(tabs[next] as T);
    list.current?.querySelectorAll<HTMLElement>("[role=tab]")[next]?.focus();
  };
  return (
    <div class="tabs">
      <div role="tablist" aria-label={label} ref={list} onKeyDown={move}>
        {tabs.map((tab, at) => (
          <button
            type="button"
            role="tab"
            key={tab}
            id={`${id}-${at}`}
            aria-selected={tab === chosen}
            aria-controls={`${id}-panel`}
            tabIndex={tab === chosen ? 0 : -1}
            onClick={() => onChoose(tab)}
          >
            {tab}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${tabs.indexOf(chosen)}`}>
        {children}
      </div>
    </div>
  );
}

/** What went wrong, in the registry's words; where signing in may help, the way to do it. */
export function Trouble({ error }: { readonly error: Error }) {
  const status = error instanceof Refused ? error.status : 0;
  return (
    <>
      <p class="notice bad" role="alert">
        {status === 0 ? "The registry does not answer. Is the network there?" : error.message}
      </p>
      {status === 401 && <SignIn />}
    </>
  );
}

export function SignIn() {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const submit = (event: Event): void => {
    event.preventDefault();
    signIn(user, password);
  };
  return (
    <form class="signin card" onSubmit={submit}>
      <h2>{isSignedIn() ? "Sign in again" : "Sign in"}</h2>
      <label>
        User
        <input
          value={user}
          autocomplete="username"
          onInput={(event) => setUser(event.currentTarget.value)}
        />
      </label>
      <label>
        Password
        <input
          type="password"
          value={password}
          autocomplete="current-password"
          onInput={(event) => setPassword(event.currentTarget.value)}
        />
      </label>
      <button class="primary">Sign in</button>
      <p class="quiet">An account of this registry. It is known here until you leave the page.</p>
    </form>
  );
}

/** Facts in a row: `12 layers`. */
export function Fact(props: {
  readonly value: string;
  readonly label: string;
  readonly note?: string;
}) {
  return (
    <div class="fact">
      <dt>{props.label}</dt>
      <dd>
        {props.value}
        {props.note !== undefined && <small>{props.note}</small>}
      </dd>
    </div>
  );
}
