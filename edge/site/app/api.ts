/** Requests to the JSON API. Credentials are kept in memory until the page is left. */
import { useEffect, useState } from "preact/hooks";

let credentials: string | null = null;
const listeners = new Set<() => void>();

/** Remembers user and password for the following requests. */
export function signIn(user: string, password: string): void {
  const bytes = new TextEncoder().encode(`${user}:${password}`);
  credentials = `Basic ${btoa(String.fromCharCode(...bytes))}`;
  refresh();
}

/** Forgets the credentials. */
export function signOut(): void {
  credentials = null;
  refresh();
}

/** Makes every useAnswer ask again. */
export function refresh(): void {
  for (const listener of listeners) listener();
}

/** Whether requests carry credentials. */
export const isSignedIn = (): boolean => credentials !== null;

/** An error that the registry answered; its message is for people. */
export class Refused extends Error {
  readonly status: number;
  readonly detail: unknown;
  /** Whether the request had credentials. */
  readonly wasSignedIn = isSignedIn();

  constructor(status: number, message: string, detail: unknown) {
    super(message);
    this.status = status;
    this.detail = detail;
  }
}

/**
 * The response to a request with the credentials that were signed in with, never with those that
 * the browser stores. Throws Refused.
 */
export async function send(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (credentials !== null) headers.set("Authorization", credentials);
  const response = await fetch(path, { ...init, headers, credentials: "omit" });
  if (response.ok) return response;
  throw await refusedBy(response);
}

async function refusedBy(response: Response): Promise<Refused> {
  const text = await response.text();
  try {
    const { errors } = JSON.parse(text) as { errors: { message: string; detail?: unknown }[] };
    const message = errors.map((error) => error.message).join("; ");
    return new Refused(response.status, message, errors[0]?.detail);
  } catch {
    return new Refused(response.status, `the registry answered HTTP ${response.status}`, undefined);
  }
}

async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  return (await (await send(path, init)).json()) as T;
}

export interface Asked<T> {
  /** The last answer, also while the next is loading. */
  readonly answer: T | null;
  readonly error: Error | null;
  readonly loading: boolean;
}

const NOTHING = { answer: null, error: null, loading: false } as const;

/**
 * Keeps the answer of an address, requested again when the address or the credentials change. Null:
 * no address.
 */
export function useAnswer<T>(path: string | null, { delay = 0, every = 0 } = {}): Asked<T> {
  const [state, setState] = useState<Asked<T>>({ ...NOTHING, loading: path !== null });
  const [signed, setSigned] = useState(0);
  useEffect(() => {
    const listener = (): void => setSigned((count) => count + 1);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  useEffect(() => {
    if (path === null) {
      setState(NOTHING);
      return undefined;
    }
    const stop = new AbortController();
    setState((last) => ({ ...last, loading: true }));
    let timer: ReturnType<typeof setTimeout>;
    const load = async (): Promise<void> => {
      try {
        const answer = await ask<T>(path, { signal: stop.signal });
        setState({ answer, error: null, loading: false });
      } catch (error) {
        if (stop.signal.aborted) return;
        setState({ answer: null, error: error as Error, loading: false });
      }
      if (every > 0 && !stop.signal.aborted) timer = setTimeout(load, every);
    };
    timer = setTimeout(load, delay);
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [path, delay, every, signed]);
  return state;
}

/** A request for a part of an image, as a registry client sends it: with a token if signed in. */
export async function fromRegistry(name: string, path: string, init: RequestInit = {}) {
  const headers = new Headers(init.headers);
  if (credentials !== null) {
    const { token } = await ask<{ token: string }>(`/token?scope=repository:${name}:pull`);
    headers.set("Authorization", `Bearer ${token}`);
  }
  const response = await fetch(`/v2/${name}/${path}`, { ...init, headers, credentials: "omit" });
  if (!response.ok) throw await refusedBy(response);
  return response;
}
