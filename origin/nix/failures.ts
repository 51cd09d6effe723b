/**
 * The failures that the Nix side reports, each made in one place so that its words are the same
 * everywhere.
 */
import type { Failure } from "../../edge/contract/messages.ts";
import { FailureError } from "./types.ts";

/** Longest message, characters (protocol.ts). */
const MAX_MESSAGE = 2_000;
/** Log lines that travel in a failure. */
export const FAILURE_LINES = 50;

export type Reason = Failure["reason"];

/** A failure within the protocol's bounds. `log`: the last lines that tell more. */
export function failure(
  reason: Reason,
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

export function failed(
  reason: Reason,
  message: string,
  more: Parameters<typeof failure>[2] = {},
): FailureError {
  return new FailureError(failure(reason, message, more));
}

/** Both phases, evaluating and building, share one limit. `seconds`: the limit. */
export function timeout(seconds: number, doing: string, log: readonly string[] = []): Failure {
  return failure(
    "timeout",
    `${doing} took longer than ${seconds} s, the limit of this origin (NIX_TIMEOUT)`,
    { log },
  );
}
