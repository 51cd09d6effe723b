/** Which methods an address takes. */
import type { IRequestStrict } from "itty-router";
import type { Env } from "../env.ts";
import { unsupported } from "../pull/errors.ts";

type Answer = Response | Promise<Response>;
type Handler = (request: IRequestStrict, env: Env, ctx: ExecutionContext) => Answer;
type Handlers = Partial<Record<"GET" | "POST" | "DELETE", Handler>>;

/**
 * A route by method. HEAD is answered as GET is (RFC 9110, section 9.3.2), and the runtime leaves out
 * the body. Any other method that it does not take is 405, with those that it takes in Allow
 * (section 15.5.6).
 */
export function byMethod(handlers: Handlers): Handler {
  const taken = new Map<string, Handler>(Object.entries(handlers));
  if (handlers.GET !== undefined) taken.set("HEAD", handlers.GET);
  const allow = [...taken.keys()].sort().join(", ");
  return (request, env, ctx) => {
    const handler = taken.get(request.method);
    if (handler !== undefined) return handler(request, env, ctx);
    throw unsupported(`${request.method.slice(0, 20)} is not supported here: use ${allow}`, allow);
  };
}
