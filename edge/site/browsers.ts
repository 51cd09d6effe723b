/**
 * Requests of browsers, recognized by their Accept header, at addresses where registry clients get
 * something else:
 *
 *   /  /farm  /i/shell/git  /builds/<id>      the page
 *   /v2/shell/git/manifests/latest            to /i/shell/git
 *   /shell/git  /shell/git:nixos-25.05        to /i/shell/git: an image's reference
 *   anything else but /api/ and /v2           the page, which says so, with status 404
 */
import { COMPONENT_PATTERN, TAG_PATTERN } from "../contract/name-rules.ts";
import type { Env } from "../env.ts";
import { BUILDS_PATH } from "../pull/build-log.ts";
import { document } from "./serve.ts";

/** Whether a browser asks for something to show: it prefers HTML to everything else. */
const isBrowser = (headers: Headers): boolean =>
  headers.get("Accept")?.startsWith("text/html") === true;

/** Undefined when the request is not a browser's, or there is nothing to show. */
export async function browsers(request: Request, env: Env): Promise<Response | undefined> {
  if (env.ASSETS === undefined || !isBrowser(request.headers)) return undefined;
  const { pathname } = new URL(request.url);
  if (isPage(pathname)) return document(request, env);
  const image = imageAt(pathname);
  if (image === undefined) return isForPrograms(pathname) ? undefined : document(request, env, 404);
  const { name, tag } = image;
  const query = tag === "latest" ? "" : `?${new URLSearchParams({ tag })}`;
  return new Response(null, {
    status: 302,
    headers: { Location: `/i/${name}${query}`, Vary: "Accept", "Cache-Control": "no-store" },
  });
}

const isPage = (path: string): boolean =>
  path === "/" || path === "/farm" || path.startsWith("/i/") || path.startsWith(BUILDS_PATH);

/** Whether an address is for programs, whoever asks. */
const isForPrograms = (path: string): boolean => /^\/(?:api|v2)(?:\/|$)/.test(path);

interface Named {
  readonly name: string;
  readonly tag: string;
}

/** The image named by an address of the registry, or by an image's reference. */
function imageAt(path: string): Named | undefined {
  const manifest = /^\/v2\/(.+)\/manifests\/([^/]+)$/.exec(path);
  if (manifest === null && isForPrograms(path)) return undefined;
  const [, name = "", tag = "latest"] = manifest ?? /^\/([^:]+?)(?::([^/]+))?\/?$/.exec(path) ?? [];
  if (!name.split("/").every((component) => COMPONENT_PATTERN.test(component))) return undefined;
  return { name, tag: TAG_PATTERN.test(tag) ? tag : "latest" };
}
