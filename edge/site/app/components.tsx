/** Small parts of several pages. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { isSignedIn, Refused, signIn } from "./api.ts";

/** How long a button says that it has copied, milliseconds. */
const COPIED_MS = 2_000;

/** A command in a box, with a button that copies it. `kind`: what it is for, such as Docker. */
export function CommandBox({ kind, text }: { readonly kind: string; readonly text: string }) {
  return (
    <div class="command">
      <pre tabIndex={0} aria-label={`${kind} command`}>
        {text}
      </pre>
      <Copy text={text} what="the command" />
    </div>
  );
}

/** A button that copies a text to the clipboard. */
export function Copy({ text, what }: { readonly text: string; readonly what: string }) {
  const [told, setTold] = useState<"Copied" | "Not copied" | null>(null);
  useEffect(() => {
    if (told === null) return undefined;
    const timer = setTimeout(() => setTold(null), COPIED_MS);
    return () => clearTimeout(timer);
  }, [told]);
  return (
    <>
      <button
        type="button"
        class={`copy ${told === "Copied" ? "good" : ""}`}
        aria-label={told ?? `Copy ${what}`}
        onClick={() =>
          void writeText(text).then(
            () => setTold("Copied"),
            () => setTold("Not copied"),
          )
        }
      >
        {told ?? "Copy"}
      </button>
      <span class="sr" role="status">
        {told === "Not copied" ? "Not copied: select the text and copy it by hand." : told}
      </span>
    </>
  );
}

/** The clipboard's own interface is there with TLS and on this machine only. */
async function writeText(text: string): Promise<void> {
  if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (!isCopied) throw new Error("the browser copies nothing");
}

/** An image's name, which may go on in the next line behind each slash. */
export function ImageName({ name }: { readonly name: string }) {
  const parts = name.split("/");
  return <>{parts.flatMap((part, at) => (at === 0 ? [part] : ["/", <wbr key={at} />, part]))}</>;
}

interface TabsProps<T extends string> {
  readonly label: string;
  readonly tabs: readonly T[];
  readonly chosen: T;
  readonly onChoose: (tab: T) => void;
  readonly id: string;
  readonly children: ComponentChildren;
}

/** Tabs as ARIA has them: arrows, Home and End move between them, one is in the tab order. */
export function Tabs<T extends string>(props: TabsProps<T>) {
  const { label, tabs, chosen, onChoose, id, children } = props;
  const list = useRef<HTMLDivElement>(null);
  const move = (event: KeyboardEvent): void => {
    const now = tabs.indexOf(chosen);
    const places: Record<string, number> = {
      ArrowRight: (now + 1) % tabs.length,
      ArrowLeft: (now - 1 + tabs.length) % tabs.length,
      Home: 0,
      End: tabs.length - 1,
    };
    const next = places[event.key];
    if (next === undefined) return;
    event.preventDefault();
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

/** What went wrong: the registry's message, if it is meant for browsers. */
export function messageOf(error: Error): string {
  if (!(error instanceof Refused))
    return "The registry does not answer. Check your connection, or try again later.";
  // Its message mentions `docker login`.
  if (isSignedOut(error))
    return error.wasSignedIn
      ? "The user or the password is wrong."
      : "This requires an account: sign in.";
  return error.message;
}

const isSignedOut = (error: Error): boolean => error instanceof Refused && error.status === 401;

/** The same, and where signing in may help, the way to do it. */
export function Trouble({ error }: { readonly error: Error }) {
  // An error from before somebody signed in is outdated.
  if (error instanceof Refused && error.status === 401 && !error.wasSignedIn)
    return isSignedIn() ? null : <SignIn />;
  return (
    <>
      <p class="notice bad" role="alert">
        {messageOf(error)}
      </p>
      {isSignedOut(error) && <SignIn />}
    </>
  );
}

/** The form to sign in with an account of the registry. */
export function SignIn() {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const submit = (event: Event): void => {
    event.preventDefault();
    signIn(user, password);
  };
  return (
    <form class="signin" onSubmit={submit}>
      <h2>{isSignedIn() ? "Sign in again" : "Sign in"}</h2>
      <p class="quiet">
        With an account of this registry, as for <code>docker login</code>. The page forgets it when
        you leave.
      </p>
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
