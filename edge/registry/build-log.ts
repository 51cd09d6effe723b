/**
 * `GET /builds/<id>`: the log of a build while it runs, as text, or as server-sent events when
 * Accept asks for `text/event-stream`. Errors of waiting pulls contain this address.
 */
import { packagesRefusal } from "../access/accounts.ts";
import { HEX256_PATTERN } from "../contract/digest.ts";
import type { Env } from "../env.ts";
import { followBuild, unknownBuild } from "../pull/build-log.ts";
import { denied } from "../pull/errors.ts";
import type { AuthorizedRequest } from "./authorize.ts";

/** Throws what followBuild throws, and DENIED (403) for packages that the account may not have. */
export async function buildLog(request: AuthorizedRequest, env: Env): Promise<Response> {
  const id = request.params["id"] ?? "";
  if (!HEX256_PATTERN.test(id)) throw unknownBuild();
  const { headers, method, caller } = request;
  const form = headers.get("Accept")?.includes("text/event-stream") === true ? "events" : "text";
  // The header that a reconnecting browser sends.
  const after = /^\d{1,9}$/.exec(headers.get("Last-Event-ID") ?? "")?.[0] ?? "-1";
  const { names, body } = await followBuild(env, id, { form, after });
  const refused = caller?.account == null ? undefined : packagesRefusal(caller.account, names);
  if (refused !== undefined || method === "HEAD") await body?.cancel();
  if (refused !== undefined) throw denied(refused, { account: caller?.account?.name });
  return new Response(method === "HEAD" ? null : body, {
    headers: {
      "Content-Type": `${form === "events" ? "text/event-stream" : "text/plain"}; charset=utf-8`,
      "Cache-Control": "no-store",
      "Firn-Packages": names.join(","),
      "X-Content-Type-Options": "nosniff",
    },
  });
}
