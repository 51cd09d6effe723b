/** Whether pulls work: one has been made, through the edge, the origin, Nix and the bucket. */
import { setTimeout as sleep } from "node:timers/promises";

/**
 * In every image (edge/contract/names.ts), so the first pull needs what is built here.
 */
const PROBE = "/v2/cacert/manifests/latest";
/** Waits between probes, milliseconds. */
const FIRST_WAIT = 200;
const LONGEST_WAIT = 10_000;

/**
 * Resolves when the probe is answered; `onTrouble` gets every new reason why it is not. Rejects
 * when `signal` aborts.
 */
export async function pullsWork(
  url: string,
  signal: AbortSignal,
  onTrouble: (reason: string) => void,
): Promise<void> {
  let told = "";
  for (let wait = FIRST_WAIT; ; wait = Math.min(wait * 2, LONGEST_WAIT)) {
    const reason = await probe(url, signal);
    if (reason === null) return;
    if (reason !== told) onTrouble(reason);
    told = reason;
    await sleep(wait, undefined, { signal });
  }
}

async function probe(url: string, signal: AbortSignal): Promise<string | null> {
  try {
    const response = await fetch(`${url}${PROBE}`, { signal });
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

/** The message of an error answer of the distribution API. */
function firstMessage(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { errors?: { message?: string }[] }).errors?.[0]?.message;
  } catch {
    return undefined;
  }
}
