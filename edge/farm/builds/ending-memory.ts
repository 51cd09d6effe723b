/** How long Build objects and the farm's queue remember how an item ended. */
import type { Failure } from "../../contract/items.ts";
import type { Ending } from "./answer.ts";

/**
 * How long a failure is remembered: long enough that a client's retries do not build it in a loop,
 * short enough for a person who has repaired it.
 */
const FAILURE_MEMORY: Record<Failure["reason"], number> = {
  failed: 60_000,
  unfit: 60_000,
  refused: 60_000,
  timeout: 60_000,
  limit: 60_000,
  unknown: 30_000,
  "unknown-revision": 5_000,
  lacking: 5_000,
  error: 5_000,
};
/** A tag that was just resolved: requests at the same moment share the answer. */
const RESOLVED_MEMORY = 5_000;
/**
 * A record that was just written is in the bucket; this is for waiting requests whose connection
 * broke.
 */
const PUBLISHED_MEMORY = 60_000;

/** How long an ending is remembered, ms. */
export function memoryOf(ending: Ending): number {
  if (typeof ending === "string") return 0;
  switch (ending.kind) {
    case "revision":
      return RESOLVED_MEMORY;
    case "package":
    case "level":
    case "index":
      return PUBLISHED_MEMORY;
    case "failure":
      return FAILURE_MEMORY[ending.failure.reason];
  }
}
