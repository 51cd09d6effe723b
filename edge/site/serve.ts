/**
 * The page: static files (edge/site/app, bundled by origin/server/site.ts) behind the ASSETS
 * binding, the same for every visitor. Its data comes from the JSON API, so the files contain
 * nothing secret and need no account.
 */
import type { IRequestStrict } from "itty-router";
import type { Env } from "../env.ts";

export const SITE_PATH = "/site/";
/** The one HTML document; its script chooses the page by the address. */
const DOCUMENT = "page.html";
/** A file's name has a hash of its content, except for the document. */
const FILE = /^[a-z]+-[0-9A-Za-z]{8}\.(?:js|css|svg)$/;

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};

/** No inline code, no resources of other hosts, no forms, no framing. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HEADERS = {
  "Content-Security-Policy": POLICY,
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
} as const;

/** Compressed forms in which the bundle has every file, smallest first. */
const ENCODINGS = [
  ["br", ".br"],
  ["gzip", ".gz"],
] as const;

/** A file of the page; undefined when it does not exist, or there is no page. */
export async function asset(request: IRequestStrict, env: Env): Promise<Response | undefined> {
  const file = request.params["file"] ?? "";
  if (!FILE.test(file)) return undefined;
  return answer(request, env, file, { caching: "public, max-age=31536000, immutable" });
}

/** The document; undefined where this Worker has no page. */
export const document = (request: Request, env: Env, status = 200): Promise<Response | undefined> =>
  answer(request, env, DOCUMENT, { caching: "no-cache", status });

async function answer(
  { method, headers, cf }: Pick<Request, "method" | "headers" | "cf">,
  { ASSETS }: Env,
  file: string,
  { caching, status = 200 }: { readonly caching: string; readonly status?: number },
): Promise<Response | undefined> {
  if (ASSETS === undefined) return undefined;
  // Cloudflare replaces the client's Accept-Encoding with its own.
  const ofClient = (cf as IncomingRequestCfProperties | undefined)?.clientAcceptEncoding;
  const accepted = ofClient ?? headers.get("Accept-Encoding") ?? "";
  const [encoding, suffix] = ENCODINGS.find(([name]) => accepted.includes(name)) ?? [null, ""];
  const stored = await ASSETS.fetch(`https://site/${file}${suffix}`);
  if (!stored.ok) {
    await stored.body?.cancel();
    return undefined;
  }
  const type = TYPES[file.slice(file.lastIndexOf(".") + 1)] ?? "application/octet-stream";
  const sent = new Headers({
    ...HEADERS,
    "Content-Type": type,
    "Cache-Control": caching,
    Vary: "Accept, Accept-Encoding",
    ...(encoding === null ? {} : { "Content-Encoding": encoding }),
  });
  if (method !== "HEAD")
    return new Response(stored.body, { status, headers: sent, encodeBody: "manual" });
  await stored.body?.cancel();
  return new Response(null, { status, headers: sent });
}
