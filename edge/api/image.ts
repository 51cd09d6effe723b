/**
 * `GET /api/images/<name>?tag=&platform=&has=&closure=1&resolve=1`: what is in an image, without
 * pulling it. It builds, composes and resolves nothing; with `resolve=1` an origin resolves a tag
 * that nobody has pulled yet, as for a pull.
 */
import * as v from "valibot";
import type { ImageLayer, ImagePackage, ImageView, PlatformView } from "../contract/api.ts";
import type { Scope } from "../contract/keys.ts";
import { canonicalName, type ImageRequest } from "../contract/names.ts";
import { platformName, type System, systemsOf } from "../contract/records.ts";
import {
  type ComposedBlob,
  imageTexts,
  indexName,
  manifestsOf,
  recordTexts,
} from "../compose/texts.ts";
import type { Env } from "../env.ts";
import { resolveName } from "../pull/aliases.ts";
import { buildLogUrl } from "../pull/build-log.ts";
import { type Context, openContext } from "../pull/context.ts";
import { imageNameOf } from "../pull/images/derived-blobs.ts";
import { readImage } from "../pull/images/image-records.ts";
import { spend } from "../pull/limits.ts";
import { checkAllowed } from "../pull/permission.ts";
import { knownRevision, resolveTag } from "../pull/tags/resolve-tag.ts";
import type { AuthorizedRequest } from "../registry/authorize.ts";
import { requestedName } from "../registry/request.ts";
import { planInForce } from "../store/current.ts";
import { type ImageClosure, imageClosure } from "./closure.ts";
import { type KnownImage, knownImage } from "./known-image.ts";
import { amountOf, moved } from "./layers.ts";
import { answer, platform, readQuery, systemsFor, tag, yes } from "./query.ts";

const MAX_NAME = 255;
const QUERY = {
  tag,
  platform,
  has: v.optional(v.pipe(v.string(), v.maxLength(MAX_NAME, "must be the name of an image"))),
  closure: yes,
  resolve: yes,
};

/** Throws as a pull does for names, tags and accounts; never because something is not built. */
export async function image(
  request: AuthorizedRequest,
  env: Env,
  ctx: ExecutionContext,
): Promise<Response> {
  const query = readQuery(request, QUERY);
  const context = await openContext(request, env, ctx);
  const asked = await resolveName(context.bucket, requestedName(request).name);
  checkAllowed(context, asked);
  spend(context, "looks");
  const revision = query.resolve
    ? await resolveTag(context, query.tag)
    : await knownRevision(context, query.tag);
  const systems = systemsFor(context, asked.pinned ?? query.platform);
  const has = query.has === undefined ? undefined : await resolveName(context.bucket, query.has);
  // Which layers it shares with another image tells what is in that one.
  if (has !== undefined) checkAllowed(context, has);
  const platforms =
    revision === null
      ? []
      : await Promise.all(
          systems.map(async (system) =>
            platformView(context, asked, {
              scope: await scopeOf(context, revision, system),
              has,
              withClosure: query.closure,
            }),
          ),
        );
  return answer({
    name: asked.name,
    title: canonicalName(asked.names, asked.shell),
    packageSet: context.config.packageSet.label,
    tag: query.tag,
    revision,
    indexes:
      revision === null || systems.length < 2 ? [] : await indexesOf(context, asked, revision),
    platforms,
  } satisfies ImageView);
}

/** The indexes over all platforms for which the image was composed; empty when there are none. */
async function indexesOf(
  context: Context,
  request: ImageRequest,
  revision: string,
): Promise<ImageView["indexes"]> {
  const { bucket, config } = context;
  const packageSet = config.packageSet.id;
  const scope = { packageSet, revision, plan: await planInForce(bucket, packageSet) };
  const record = await readImage(bucket, imageNameOf(context, request), scope);
  if (record === null) return [];
  const texts = recordTexts(record).indexes.get(indexName(systemsOf(record)));
  return texts === undefined ? [] : [texts.oci, texts.docker].map(shown);
}

const shown = ({ mediaType, digest, size }: ComposedBlob) => ({ mediaType, digest, size });

/** The scope of a revision's records under the layer plan in force. */
export async function scopeOf(context: Context, revision: string, system: System): Promise<Scope> {
  const packageSet = context.config.packageSet.id;
  return { packageSet, revision, system, plan: await planInForce(context.bucket, packageSet) };
}

interface Wanted {
  readonly scope: Scope;
  /** The image whose layers the client already has. */
  readonly has: ImageRequest | undefined;
  readonly withClosure: boolean;
}

async function platformView(
  context: Context,
  request: ImageRequest,
  { scope, has, withClosure }: Wanted,
): Promise<PlatformView> {
  const [known, other] = await Promise.all([
    knownImage(context, scope, request),
    has === undefined ? null : knownImage(context, scope, has),
  ]);
  const closure = await imageClosure(context, known);
  const client =
    known.layers !== null && other?.layers != null && has !== undefined
      ? { has: has.name, ...moved(known.layers, other.layers).moved }
      : null;
  return {
    platform: platformName(scope.system),
    system: scope.system,
    state: stateOf(known),
    ...(known.absence === null ? {} : { message: known.absence }),
    manifests: known.image === null ? [] : manifestsOf(imageTexts(known.image)).slice(1).map(shown),
    packages: packagesOf(known),
    layers: known.layers && layerViews(known.layers, closure, withClosure),
    size: known.layers && amountOf(known.layers).size,
    exact: known.image !== null && known.layers !== null,
    unpacked: closure?.size ?? null,
    client,
    build: await buildOf(context, known),
    ...(withClosure ? { closure: closure?.paths.slice() ?? null } : {}),
  };
}

function stateOf({ image, absence, layers, unknown }: KnownImage): PlatformView["state"] {
  if (unknown.length > 0 || absence !== null) return "unknown";
  if (layers === null) return "unbuilt";
  return image === null ? "ready" : "made";
}

function packagesOf({ request, records, unknown }: KnownImage): ImagePackage[] {
  return request.names.map((name, at): ImagePackage => {
    const own = { name, requested: request.requested.includes(name) };
    const record = records[at];
    const failure = unknown.find((each) => each.name === name)?.failure;
    if (failure !== undefined)
      return {
        ...own,
        state: "unknown",
        message: failure.message,
        nearest: failure.nearest ?? [],
      };
    if (record == null) return { ...own, state: "unbuilt" };
    const { attribute, pname, version, description, storePath, closureSize } = record;
    return {
      ...own,
      state: "built",
      attribute,
      pname,
      version,
      ...(description === undefined ? {} : { description }),
      storePath,
      closureSize,
    };
  });
}

function layerViews(
  layers: NonNullable<KnownImage["layers"]>,
  closure: ImageClosure | null,
  withPaths: boolean,
): ImageLayer[] {
  return layers.map(({ keys, digest, size, packages, own }) => {
    const paths = closure?.pathsOf(keys) ?? null;
    return {
      digest,
      size,
      unpacked: own || paths === null ? null : sizeOf(paths, closure),
      packages: [...packages],
      own,
      ...(withPaths && paths !== null ? { paths } : {}),
    };
  });
}

const sizeOf = (paths: readonly number[], closure: ImageClosure | null): number =>
  paths.reduce((sum, at) => sum + (closure?.paths[at]?.size ?? 0), 0);

async function buildOf(
  context: Context,
  { missing, unknown }: KnownImage,
): Promise<PlatformView["build"]> {
  if (missing.length === 0 || unknown.length > 0) return null;
  const packages = [...new Set(missing.map(({ name }) => name))];
  return { packages, url: new URL(await buildLogUrl(context, missing)).pathname };
}
