/**
 * `GET /api/diff?from=&to=&platform=`: the differences between two images, or between two tags of
 * one (`git:nixos-25.05`): packages that were added, removed and changed, and what a client that
 * has the first downloads for the second. It builds nothing.
 */
import * as v from "valibot";
import type { DiffAnswer } from "../contract/api.ts";
import { TAG_PATTERN } from "../contract/names.ts";
import { platformName, type System } from "../contract/records.ts";
import type { Env } from "../env.ts";
import { resolveName } from "../pull/aliases.ts";
import { type Context, openContext } from "../pull/context.ts";
import { manifestUnknown, RegistryError } from "../pull/errors.ts";
import { packagesFailed } from "../pull/failures.ts";
import { listed } from "../pull/packages-in-words.ts";
import { spend } from "../pull/limits.ts";
import { checkAllowed } from "../pull/permission.ts";
import { knownRevision } from "../pull/tags/resolve-tag.ts";
import type { AuthorizedRequest } from "../registry/authorize.ts";
import { imageClosure } from "./closure.ts";
import { closureChanges, type Item, packageChanges } from "./changes.ts";
import { scopeOf } from "./image.ts";
import { type KnownImage, knownImage } from "./known-image.ts";
import { amountOf, type LayerFacts, moved } from "./layers.ts";
import { answer, platform, readQuery, systemsFor } from "./query.ts";

/** A name, a colon and a tag. */
const MAX_REFERENCE = 255 + 1 + 128;
const reference = v.pipe(
  v.string(),
  v.minLength(1, "must be the name of an image, and a tag after a colon"),
  v.maxLength(MAX_REFERENCE, "must be the name of an image, and a tag after a colon"),
);
const QUERY = { from: reference, to: reference, platform };

/** Throws MANIFEST_UNKNOWN (404) while an image is not built, 400 for images of two platforms. */
export async function diff(
  request: AuthorizedRequest,
  env: Env,
  ctx: ExecutionContext,
): Promise<Response> {
  const query = readQuery(request, QUERY);
  const context = await openContext(request, env, ctx);
  spend(context, "looks", 2);
  const [from, to] = await Promise.all([
    sideOf(context, query.from, query.platform),
    sideOf(context, query.to, query.platform),
  ]);
  if (from.system !== to.system)
    throw new RegistryError({
      code: "UNSUPPORTED",
      status: 400,
      message:
        `${query.from} is for ${platformName(from.system)} and ${query.to} for ` +
        `${platformName(to.system)}: only images of one platform are compared`,
    });
  const [before, after] = await Promise.all([
    imageClosure(context, from.image),
    imageClosure(context, to.image),
  ]);
  return answer({
    platform: platformName(to.system),
    from: shown(from),
    to: shown(to),
    packages: packageChanges(packagesOf(from.image), packagesOf(to.image)),
    closure: before && after && closureChanges(before.paths, after.paths),
    ...moved(to.layers, from.layers),
  } satisfies DiffAnswer);
}

interface Side {
  readonly name: string;
  readonly tag: string;
  readonly system: System;
  readonly image: KnownImage;
  readonly layers: readonly LayerFacts[];
}

/** Nothing was built for a package that does not exist. */
const NO_LOGS = { blob: (digest: string): string => digest };

/** One of the two images. Throws MANIFEST_UNKNOWN (404) when not all of it is known. */
async function sideOf(context: Context, text: string, platform: System | undefined): Promise<Side> {
  const colon = text.lastIndexOf(":");
  const name = colon < 0 ? text : text.slice(0, colon);
  const tag = colon < 0 ? "latest" : text.slice(colon + 1);
  if (!TAG_PATTERN.test(tag)) throw manifestUnknown(`"${tag}" is not a valid tag`, { tag });
  const asked = await resolveName(context.bucket, name);
  checkAllowed(context, asked);
  const revision = await knownRevision(context, tag);
  if (revision === null)
    throw manifestUnknown(
      `nobody has pulled the tag "${tag}" here yet: pull ${text}, and compare again`,
      { tag },
    );
  const [system] = systemsFor(context, asked.pinned ?? platform);
  const scope = await scopeOf(context, revision, system);
  const image = await knownImage(context, scope, asked);
  if (image.unknown.length > 0) throw packagesFailed(image.unknown, asked, NO_LOGS);
  if (image.layers === null) {
    const missing = [...new Set(image.missing.map((item) => item.name))];
    throw manifestUnknown(
      `${text} is not built yet (missing: ${listed(missing)}): pull it, and compare again`,
      { missing },
    );
  }
  return { name, tag, system, image, layers: image.layers };
}

const shown = ({ name, tag, image, layers }: Side): DiffAnswer["from"] => ({
  name,
  tag,
  revision: image.scope.revision,
  size: amountOf(layers).size,
});

const packagesOf = ({ records }: KnownImage): Item[] =>
  records.flatMap((record) =>
    record === null ? [] : [{ name: record.name, version: record.version, id: record.storePath }],
  );
