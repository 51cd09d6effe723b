/**
 * Asks the edge for uploads. All blobs of one turn of the event loop share a request; several
 * requests may be in flight.
 */
import { type Grant, MAX_REQUESTED, type Upload } from "../../edge/contract/bucket-requests.ts";
import type { JobRequests } from "../channel/requests.ts";

interface Waiting {
  readonly blob: Upload;
  readonly signal: AbortSignal;
  readonly granted: PromiseWithResolvers<Grant>;
}

/** The uploads of one job. */
export class Grants {
  readonly #requests: JobRequests;
  #waiting: Waiting[] = [];

  constructor(requests: JobRequests) {
    this.#requests = requests;
  }

  /**
   * Asks how to store a blob. Throws a RequestError when the edge refuses, and the signal's reason.
   */
  async ask({ digest, size, contentType }: Upload, signal: AbortSignal): Promise<Grant> {
    signal.throwIfAborted();
    const granted = Promise.withResolvers<Grant>();
    if (this.#waiting.length === 0) setImmediate(() => this.#send());
    this.#waiting.push({ blob: { digest, size, contentType }, signal, granted });
    if (this.#waiting.length === MAX_REQUESTED) this.#send();
    return granted.promise;
  }

  #send(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    if (batch.length > 0) void settle(batch, this.#requests);
  }
}

async function settle(batch: readonly Waiting[], requests: JobRequests): Promise<void> {
  const nobody = new AbortController();
  let waiting = batch.length;
  for (const { signal, granted } of batch) {
    const leave = (): void => {
      granted.reject(signal.reason as Error);
      if (--waiting === 0) nobody.abort(signal.reason);
    };
    const stay = (): void => signal.removeEventListener("abort", leave);
    signal.addEventListener("abort", leave, { once: true });
    granted.promise.then(stay, stay);
    if (signal.aborted) leave();
  }
  try {
    const blobs = batch.map(({ blob }) => blob);
    const grants = await requests.uploads(blobs, nobody.signal);
    for (const [at, { granted }] of batch.entries()) granted.resolve(grants[at] as Grant);
  } catch (error) {
    for (const { granted } of batch) granted.reject(error);
  }
}
