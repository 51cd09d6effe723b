/** How a job ended, in the form that the edge is sent: its results, or why there are none. */
import * as v from "valibot";
import {
  type Failure,
  FailureSchema,
  type Item,
  type Result,
  ResultsSchema,
} from "../../edge/contract/items.ts";
import { type FromOrigin, MAX_MESSAGE } from "../../edge/contract/messages.ts";

export type Ending = Extract<FromOrigin, { type: "done" | "failed" }>;

/** Longest message of a failure or a refusal (contract/messages.ts). */
export const MAX_TEXT = 2_000;

/** Runs a job, and returns how it ended as a message that the edge accepts. Never rejects. */
export async function endingOf(
  job: string,
  items: readonly Item[],
  run: () => Promise<readonly Result[]>,
): Promise<Ending> {
  try {
    const results = v.safeParse(ResultsSchema, await run());
    if (!results.success) {
      const [issue] = results.issues;
      return failed(
        job,
        `this origin made a result that is not valid: ${v.getDotPath(issue) ?? "results"}: ${issue.message}`,
      );
    }
    if (results.output.length !== items.length)
      return failed(
        job,
        `this origin made ${results.output.length} results for ${items.length} items`,
      );
    const done: Ending = { type: "done", job, results: results.output };
    return JSON.stringify(done).length <= MAX_MESSAGE
      ? done
      : failed(job, `the results are longer than a message may be (${MAX_MESSAGE} characters)`);
  } catch (error) {
    const failure = v.safeParse(FailureSchema, (error as { failure?: Failure } | null)?.failure);
    return failure.success
      ? { type: "failed", job, failure: failure.output }
      : failed(job, error instanceof Error ? error.message : String(error));
  }
}

const failed = (job: string, message: string): Ending => ({
  type: "failed",
  job,
  failure: { reason: "error", message: message.slice(0, MAX_TEXT) },
});
