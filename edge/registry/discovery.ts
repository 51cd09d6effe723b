/** `tags/list` and `referrers` (distribution spec, "Content Discovery"). */
import type { IRequest } from "itty-router";
import type { Env } from "../env.ts";
import { OCI_INDEX } from "../contract/media-types.ts";
import { parseImageName } from "../contract/names.ts";
import { parseDigest } from "./reference.ts";
import { API_VERSION } from "./base.ts";
import { decoded } from "./path.ts";

/**
 * Tags that every image has. A package set may know more (channels, branches), but nobody has
 * listed them: images are made when they are pulled.
 */
const TAGS: readonly string[] = ["latest"];

export function tagsList(request: IRequest, _env: Env, _ctx: ExecutionContext): Response {
  const { name } = parseImageName(decoded(request.params["name"]));
  const query = new URL(request.url).searchParams;
  const last = query.get("last");
  const after = TAGS.filter((tag) => last === null || tag > last);
  const n = /^\d{1,9}$/.test(query.get("n") ?? "") ? Number(query.get("n")) : after.length;
  const tags = after.slice(0, n);
  const headers = new Headers({ ...API_VERSION, "Content-Type": "application/json" });
  // The spec: n=0 is an empty list, and must have no Link.
  if (n > 0 && tags.length < after.length)
    headers.set("Link", `</v2/${name}/tags/list?n=${n}&last=${tags.at(-1)}>; rel="next"`);
  return json(request, { name, tags }, headers);
}

/**
 * Nothing refers to an image here: an empty index, never 404, so that clients do not try the
 * fallback tag.
 */
export function referrers(request: IRequest, _env: Env, _ctx: ExecutionContext): Response {
  parseImageName(decoded(request.params["name"]));
  parseDigest(decoded(request.params["digest"]));
  const headers = new Headers({ ...API_VERSION, "Content-Type": OCI_INDEX });
  if (new URL(request.url).searchParams.has("artifactType"))
    headers.set("OCI-Filters-Applied", "artifactType");
  return json(request, { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }, headers);
}

function json(request: IRequest, value: unknown, headers: Headers): Response {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  headers.set("Content-Length", String(bytes.length));
  return new Response(request.method === "HEAD" ? null : bytes, { headers });
}
