/** `tags/list` (distribution spec, "Content Discovery"). */
import type { IRequestStrict } from "itty-router";
import type { Env } from "../env.ts";
import { openContext } from "../pull/context.ts";
import { knownTags } from "../pull/tags/tag-list.ts";
import { inOrder } from "../pull/tags/tag-order.ts";
import { API_VERSION } from "./headers.ts";
import { requestedImage } from "./request.ts";

/** Most tags in one answer; its Link header leads to the others. */
const MAX_TAGS = 1_000;

/** `GET|HEAD /v2/<name>/tags/list` ("Listing Tags"). */
export async function tagsList(
  request: IRequestStrict,
  env: Env,
  ctx: ExecutionContext,
): Promise<Response> {
  const { name } = requestedImage(request);
  const query = new URL(request.url).searchParams;
  const last = query.get("last");
  const asked = query.get("n") ?? "";
  const n = /^\d{1,9}$/.test(asked) ? Math.min(Number(asked), MAX_TAGS) : MAX_TAGS;
  const all = await knownTags(await openContext(request, env, ctx));
  const after = last === null ? all : all.filter((tag) => inOrder(tag, last) > 0);
  const tags = after.slice(0, n);
  const headers = new Headers({ ...API_VERSION, "Content-Type": "application/json" });
  // The spec: n=0 is an empty list, and must have no Link.
  if (n > 0 && tags.length < after.length)
    headers.set("Link", `</v2/${name}/tags/list?n=${n}&last=${tags.at(-1)}>; rel="next"`);
  return json(request, { name, tags }, headers);
}

function json({ method }: IRequestStrict, value: unknown, headers: Headers): Response {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  headers.set("Content-Length", String(bytes.length));
  return new Response(method === "HEAD" ? null : bytes, { headers });
}
