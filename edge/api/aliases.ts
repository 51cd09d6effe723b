/**
 * `POST /api/aliases` makes a short name for a long list of packages (contract/alias.ts), and `GET
 * /api/aliases/<key>` shows the list that it stands for.
 *
 *   ["git", "curl", …]   201 {"name": "x/7f0c…", "pull": "docker pull HOST/x/7f0c…", …}
 *                        200 when the alias already existed
 *
 * Making an alias has the same conditions as pulling a new image: a private registry requires an
 * account (Basic credentials or a token), and it counts towards LIMIT_IMAGES.
 */
import * as v from "valibot";
import {
  ALIAS,
  ALIAS_KEY_PATTERN,
  type AliasAnswer,
  type Aliased,
  aliasKey,
  AliasRequestSchema,
} from "../contract/alias.ts";
import { parseList, platformIn, splitList } from "../contract/names.ts";
import type { Env } from "../env.ts";
import { readAlias, readAliases, writeAlias } from "../pull/aliases.ts";
import { type Context, openContext } from "../pull/context.ts";
import { manifestUnknown, RegistryError } from "../pull/errors.ts";
import { spend, spendTotal } from "../pull/limits.ts";
import { checkAllowed } from "../pull/permission.ts";
import type { AuthorizedRequest } from "../registry/authorize.ts";
import { textOf } from "../registry/body.ts";

/** Largest body, bytes: 112 names of 255 characters are 29 kB. */
const MAX_BODY_BYTES = 65_536;

/** Throws InvalidName when the list cannot be an image, DENIED (403), TOOMANYREQUESTS (429). */
export async function makeAlias(
  request: AuthorizedRequest,
  env: Env,
  ctx: ExecutionContext,
): Promise<Response> {
  const asked = await readList(request);
  const context = await openContext(request, env, ctx);
  const { bucket } = context;
  const parts = splitList(asked);
  const image = parseList(asked, await readAliases(bucket, parts));
  checkAllowed(context, image);
  const list: Aliased = { packages: [...image.requested], shell: image.shell };
  const key = await aliasKey(list);
  const isNew = (await readAlias(bucket, key)) === null;
  if (isNew) {
    spend(context, "images");
    spendTotal(context, "total_images");
    await writeAlias(bucket, key, list);
  }
  return answer(answerOf(context, key, list, platformIn(parts)), isNew ? 201 : 200);
}

/** The list of an alias. Throws MANIFEST_UNKNOWN (404). */
export async function showAlias(
  request: AuthorizedRequest,
  env: Env,
  ctx: ExecutionContext,
): Promise<Response> {
  const { key = "" } = request.params;
  const context = await openContext(request, env, ctx);
  const list = ALIAS_KEY_PATTERN.test(key) ? await readAlias(context.bucket, key) : null;
  if (list === null) throw manifestUnknown(`this registry has no alias x/${key.slice(0, 64)}`);
  // The list shows what others pull, so only those who may pull it may see it.
  checkAllowed(context, parseList([...list.packages, ...(list.shell ? ["shell"] : [])]));
  return answer(answerOf(context, key, list), 200);
}

function answerOf(
  { config, url }: Context,
  key: string,
  { packages, shell }: Aliased,
  platform?: string,
): AliasAnswer {
  const name = [...(platform === undefined ? [] : [platform]), ALIAS, key].join("/");
  const { host } = new URL(config.access.url ?? url);
  const pull = `docker pull ${host}/${name}`;
  return { key, name, packages: [...packages], shell, pull };
}

/** The list in the body. Throws 400, or 413 for a body that is too large to be a valid list. */
async function readList(request: AuthorizedRequest): Promise<readonly string[]> {
  const text = await textOf(request, MAX_BODY_BYTES);
  if (text === null) throw wrong(413, `a list of packages has at most ${MAX_BODY_BYTES} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  const parsed = v.safeParse(AliasRequestSchema, json);
  if (!parsed.success) throw wrong(400, parsed.issues[0].message);
  return typeof parsed.output === "string" ? [parsed.output] : parsed.output;
}

const wrong = (status: number, message: string): RegistryError =>
  new RegistryError({ code: "UNSUPPORTED", status, message });

const answer = (value: AliasAnswer, status: number): Response =>
  Response.json(value, {
    status,
    headers: { "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" },
  });
