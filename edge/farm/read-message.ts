/** Parses what an origin sends: JSON within the schema, or what is wrong with it. */
import * as v from "valibot";
import { JobIdSchema } from "../contract/items.ts";
import { type FromOrigin, FromOriginSchema, MAX_MESSAGE } from "../contract/messages.ts";

export type Read =
  | { readonly kind: "message"; readonly message: FromOrigin }
  /** Results of a job that cannot be used: the job's next attempt is another origin's. */
  | { readonly kind: "invalid-results"; readonly job: string; readonly problem: string }
  | { readonly kind: "unreadable"; readonly problem: string };

/** Longest explanation of what is wrong with a message. */
const MAX_PROBLEM = 500;

/** A valid message, or what is wrong. Never throws. */
export function readMessage(data: string | ArrayBuffer): Read {
  if (typeof data !== "string") return { kind: "unreadable", problem: "messages are text" };
  if (data.length > MAX_MESSAGE)
    return { kind: "unreadable", problem: `a message is at most ${MAX_MESSAGE} characters` };
  let json: unknown;
  try {
    json = JSON.parse(data);
  } catch {
    return { kind: "unreadable", problem: "not JSON" };
  }
  const read = v.safeParse(FromOriginSchema, json);
  if (read.success) return { kind: "message", message: read.output };
  const [issue] = read.issues;
  const problem = `${v.getDotPath(issue) ?? "message"}: ${issue.message}`.slice(0, MAX_PROBLEM);
  const result = v.safeParse(
    v.object({ type: v.picklist(["done", "failed"]), job: JobIdSchema }),
    json,
  );
  return result.success
    ? { kind: "invalid-results", job: result.output.job, problem }
    : { kind: "unreadable", problem };
}
