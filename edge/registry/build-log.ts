/**
 * `GET /builds/<id>`: what a build writes, while it runs, as text or, where Accept asks for
 * `text/event-stream`, as server-sent events. Answers and errors of held pulls name the address.
 */
import { packagesRefusal } from "../access/accounts.ts";
import { HEX256_PATTERN } from "../contract/digest.ts";
import type { Env } from "../env.ts";
import { LOG_AFTER, LOG_FORM, MAX_FOLLOWERS, PACKAGES_HEADER } from "../farm/build-log.ts";
import { denied, RegistryError, unavailable } from "../pull/errors.ts";
import type { AuthorizedRequest } from "./authorize.ts";

/** Throws 404 for a build that nobody waits for, DENIED (403), or 503 when too many follow it. */
export async function buildLog(request: AuthorizedRequest, env: Env): Promise<Response> {
  const id = request.params["id"] ?? "";
  if (!HEX256_PATTERN.test(id)) throw unknownBuild();
  const { headers } = request;
  const events = headers.get("Accept")?.includes("text/event-stream") === true;
  const address = new URL("https://build/");
  if (events) address.searchParams.set(LOG_FORM, "events");
  const after = headers.get("Last-Event-ID");
  if (after !== null && /^\d{1,9}$/.test(after)) address.searchParams.set(LOG_AFTER, after);

  const answer = await env.BUILD.getByName(id).fetch(new Request(address));
  if (answer.status === 404) throw unknownBuild();
  if (!answer.ok) throw tooManyFollow();
  checkAllowed(request, answer);
  return new Response(request.method === "HEAD" ? null : answer.body, {
    headers: {
      "Content-Type": `${events ? "text/event-stream" : "text/plain"}; charset=utf-8`,
      "Cache-Control": "no-store",
      "X-Content-Type-Options": "nosniff",
    },
  });
}

/** An account that may not pull a package may not watch it being built. */
function checkAllowed({ caller }: AuthorizedRequest, answer: Response): void {
  const names = JSON.parse(answer.headers.get(PACKAGES_HEADER) ?? "[]") as string[];
  const refused = caller?.account == null ? undefined : packagesRefusal(caller.account, names);
  if (refused === undefined) return;
  void answer.body?.cancel();
  throw denied(refused, { account: caller?.account?.name });
}

const unknownBuild = (): RegistryError =>
  new RegistryError({
    code: "UNKNOWN",
    status: 404,
    message: "there is no such build: its log is here while it runs and shortly afterwards",
  });

/** Seconds after which a place may be free. */
const FOLLOWERS_RETRY = 30;
const tooManyFollow = (): RegistryError =>
  unavailable(
    `${MAX_FOLLOWERS} follow this build already; try again in half a minute`,
    FOLLOWERS_RETRY,
  );
