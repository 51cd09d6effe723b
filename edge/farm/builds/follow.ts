/** The response to a client that follows a build: its log as a stream, and finally how it ended. */
import type { Item } from "../../contract/items.ts";
import type { Answer } from "./answer.ts";
import {
  type BuildEnd,
  type BuildLog,
  LOG_AFTER,
  LOG_FORM,
  MAX_FOLLOWERS,
  PACKAGES_HEADER,
} from "./build-log.ts";

/** The log as the request's URL specifies; 503 when the build has too many followers. */
export function follow(log: BuildLog, items: readonly Item[], { searchParams }: URL): Response {
  if (log.followers >= MAX_FOLLOWERS) return new Response(null, { status: 503 });
  const form = searchParams.get(LOG_FORM) === "events" ? "events" : "text";
  const after = Number(searchParams.get(LOG_AFTER) ?? -1);
  const names = items.flatMap((item) => (item.kind === "package" ? [item.name] : []));
  return new Response(log.follow(form, after), {
    headers: { [PACKAGES_HEADER]: JSON.stringify(names) },
  });
}

const NONE_LEFT = "no origin is left to build it";
const UNMADE: Readonly<Record<string, string>> = {
  paused: "no origin takes jobs at the moment",
  unstored: "it is made, and the registry's storage does not take it at the moment",
};

/** How a build ended, from the answer that its clients get. */
export function endOf(answer: Answer): BuildEnd {
  if (answer.state !== "done")
    return { state: "failed", message: UNMADE[answer.state] ?? NONE_LEFT };
  const failed = answer.results.find((result) => result.kind === "failure");
  return failed === undefined
    ? { state: "done" }
    : { state: "failed", message: failed.failure.message };
}
