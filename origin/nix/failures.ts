/** Makes failures (edge/contract/items.ts) within the limits of the channel's messages. */
import type { Failure } from "../../edge/contract/items.ts";
import { FailureError } from "./types.ts";

/** Longest message of a failure, characters (contract/items.ts). */
const MAX_MESSAGE = 2_000;
/** Log lines in a failure. */
export const FAILURE_LINES = 50;

/**
 * A failure. `nearest`: existing names, for an unknown one; `log`: lines of output, of which the
 * last FAILURE_LINES are kept.
 */
export function failure(
  reason: Failure["reason"],
  message: string,
  more: { readonly nearest?: readonly string[]; readonly log?: readonly string[] } = {},
): Failure {
  const log = more.log?.slice(-FAILURE_LINES) ?? [];
  return {
    reason,
    message: message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE - 1)}…` : message,
    ...(more.nearest === undefined || more.nearest.length === 0
      ? {}
      : { nearest: [...more.nearest] }),
    ...(log.length === 0 ? {} : { log }),
  };
}

/** The same failure as an error to throw. */
export function failed(
  reason: Failure["reason"],
  message: string,
  more: Parameters<typeof failure>[2] = {},
): FailureError {
  return new FailureError(failure(reason, message, more));
}

/** The failure of a job for which `doing` took longer than NIX_TIMEOUT, which is `seconds`. */
export function timeout(seconds: number, doing: string, log: readonly string[] = []): Failure {
  return failure(
    "timeout",
    `${doing} took longer than ${seconds} s, the limit of this origin (NIX_TIMEOUT)`,
    { log },
  );
}
