/** Waits until pulls work, by a pull through edge, origin, Nix and bucket. */
import { setTimeout as sleep } from "node:timers/promises";

/** A package that is in every image (edge/contract/names.ts), so every pull needs it. */
const PROBE = "/v2/cacert/manifests/latest";
/** Waits between probes, milliseconds. */
const FIRST_WAIT = 200;
const LONGEST_WAIT = 10_000;

export interface Probe {
  readonly url: string;
  readonly signal: AbortSignal;
  /** Called with every new reason why the probe is not answered. */
  readonly onTrouble: (reason: string) => void;
  /** Credentials of an account that may build, if pulls require one. */
  readonly credentials?: { readonly user: string; readonly password: string };
}

/** Resolves when the probe is answered. Rejects when `signal` aborts. */
export async function pullsWork(options: Probe): Promise<void> {
  const { signal, onTrouble } = options;
  let told = "";
  for (let wait = FIRST_WAIT; ; wait = Math.min(wait * 2, LONGEST_WAIT)) {
    const reason = await probe(options);
    if (reason === null) return;
    if (reason !== told) onTrouble(reason);
    told = reason;
    await sleep(wait, undefined, { signal });
  }
}

async function probe({ url, signal, credentials }: Probe): Promise<string | null> {
  try {
    const headers =
      credentials === undefined ? {} : { Authorization: `Bearer ${await token(url, credentials)}` };
    const response = await fetch(`${url}${PROBE}`, { signal, headers });
    if (response.ok) {
      await response.body?.cancel();
      return null;
    }
    const text = await response.text();
    return firstMessage(text) ?? `HTTP ${response.status}: ${text.slice(0, 200)}`;
  } catch (error) {
    signal.throwIfAborted();
    const { message, cause } = error as Error;
    return cause instanceof Error ? `${message}: ${cause.message}` : message;
  }
}

async function token(
  url: string,
  { user, password }: NonNullable<Probe["credentials"]>,
): Promise<string> {
  const basic = Buffer.from(`${user}:${password}`).toString("base64");
  const headers = { Authorization: `Basic ${basic}` };
  const response = await fetch(`${url}/token?scope=repository:cacert:pull`, { headers });
  const text = await response.text();
  if (!response.ok) throw new Error(firstMessage(text) ?? `HTTP ${response.status}`);
  return (JSON.parse(text) as { token: string }).token;
}

/** The message of an error answer of the distribution API. */
function firstMessage(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { errors?: { message?: string }[] }).errors?.[0]?.message;
  } catch {
    return undefined;
  }
}
