/**
 * Finds the artifacts that refer to an image. None is stored: a request for the referrers of a
 * manifest derives the image's artifacts, and this isolate remembers them for the requests that
 * follow. Another isolate that is asked for an artifact by digest knows only the image's name: it
 * derives the artifacts of the name's latest images, one image after another, until one has the
 * digest.
 *
 *   referrers/<manifest>        image record of the manifest → closures → artifacts
 *   manifests/sha256-<hex>.sig  the same, by cosign's tag
 *   manifests/<artifact>        remembered, or the latest images of the name, one after another
 *   blobs/<blob of one>         the same
 */
import type { ImageRequest } from "../contract/names.ts";
import type { Digest } from "../contract/digest.ts";
import type { ImageRecord } from "../contract/records.ts";
import type { Context } from "../pull/context.ts";
import { type DerivedBlob, imageNameOf } from "../pull/images/derived-blobs.ts";
import { findImageByDigest, latestImages } from "../pull/images/images-of-name.ts";
import { singleFlight } from "../pull/single-flight.ts";
import { KEPT_MS, WITHDRAWN_MS } from "../store/fresh.ts";
import { memory } from "../store/memory.ts";
import { EMPTY, type SubjectArtifacts } from "./artifact-set.ts";
import { deriveArtifacts, type Deriving, type Part, PARTS } from "./derive.ts";
import { subjectsOf } from "./subjects.ts";

/** Artifacts as bytes: those of some hundred images. */
const BLOBS_BYTES = 5 * 2 ** 20;
/** Lists of referrers, without the artifacts' bytes: of some hundred manifests. */
const SUBJECTS_BYTES = 2 ** 20;
/** Digests of all artifacts of an image: of some hundred images. */
const DIGESTS_BYTES = 2 ** 20;
/** A referrer of a subject in memory, bytes, roughly. */
const REFERRER_BYTES = 1_000;
/** A digest in a set, bytes. */
const DIGEST_BYTES = 150;
/**
 * How long artifacts are remembered, milliseconds: together with the record that they are derived
 * from, no longer than a withdrawn record.
 */
const REMEMBERED_MS = WITHDRAWN_MS - KEPT_MS;
/** Latest images of a name among whose artifacts a digest is looked for. */
const LATEST = 32;

/** What is said of a manifest's artifacts. */
export type Referrers = Pick<SubjectArtifacts, "referrers" | "tags">;

const blobs = memory<DerivedBlob>(BLOBS_BYTES, ({ size }) => size, REMEMBERED_MS);
const subjects = memory<Referrers>(
  SUBJECTS_BYTES,
  ({ referrers }) => (1 + referrers.length) * REFERRER_BYTES,
  REMEMBERED_MS,
);
const digests = memory<ReadonlySet<Digest>>(DIGESTS_BYTES, ({ size }) => size * DIGEST_BYTES);

/** A request for artifacts of an image. A signature is made for the name that was asked for. */
interface ArtifactRequest extends Deriving {
  /** Part of the keys in memory: under another name the same image has other signatures. */
  readonly key: string;
}

function asked(context: Context, request: ImageRequest): ArtifactRequest {
  const { signingKey: key, packageSet } = context.config;
  const signer = key && { key, reference: referenceOf(context, request) };
  return { context, request, signer, key: `${packageSet.id} ${signer?.reference ?? request.name}` };
}

/** The name that is signed, with a host of EDGE_HOST: never one that the client made up. */
function referenceOf({ config: { hosts }, url }: Context, { name }: ImageRequest): string {
  const [first] = hosts;
  if (first === undefined) return name;
  // The client chooses the Host header.
  const { host } = new URL(url);
  return `${hosts.includes(host) ? host : first}/${name}`;
}

/**
 * What refers to a manifest of the image, of these parts; null when the image has no such manifest.
 */
export async function findReferrers(
  context: Context,
  request: ImageRequest,
  digest: Digest,
  parts: readonly Part[] = PARTS,
): Promise<Referrers | null> {
  const own = asked(context, request);
  const known = () => parts.map((part) => subjects.get(`${part} ${digest} ${own.key}`));
  const remembered = known();
  if (remembered.every((each) => each !== undefined)) return joined(remembered);
  const record = await findImageByDigest(context.bucket, imageNameOf(context, request), digest);
  if (record === null) return null;
  const all: SubjectArtifacts[] = [];
  for (const part of parts) all.push(...(await derive(own, record, part)));
  return joined(all.filter(({ subject }) => subject === digest));
}

const joined = (all: readonly Referrers[]): Referrers => ({
  referrers: all.flatMap(({ referrers }) => referrers),
  tags: Object.assign({}, ...all.map(({ tags }) => tags)),
});

/** A manifest or a blob of an artifact of the name's images; null when there is none. */
export async function findArtifact(
  context: Context,
  request: ImageRequest,
  digest: Digest,
): Promise<DerivedBlob | null> {
  const remembered = rememberedArtifact(context, request, digest);
  if (remembered !== null) return remembered;
  const own = asked(context, request);
  const name = imageNameOf(context, request);
  // Signatures first: they need only digests, while documents need the closures of all packages.
  for (const part of PARTS)
    for await (const { path, record } of latestImages(context.bucket, name, LATEST)) {
      const key = `${part} ${path} ${own.key}`;
      if (digests.get(key)?.has(digest) === false) continue;
      const found = (await derive(own, record, part)).flatMap(blobsOf);
      digests.set(key, new Set(found.map((blob) => blob.digest)));
      const blob = found.find((each) => each.digest === digest);
      if (blob !== undefined) return blob;
    }
  return null;
}

const blobsOf = ({ manifests, blobs: content }: SubjectArtifacts): DerivedBlob[] => [
  ...manifests,
  ...content,
];

/** A manifest or a blob of an artifact, if this isolate has it in memory. */
export function rememberedArtifact(
  context: Context,
  request: ImageRequest,
  digest: Digest,
): DerivedBlob | null {
  if (digest === EMPTY.digest) return EMPTY;
  return blobs.get(`${digest} ${asked(context, request).key}`) ?? null;
}

/** Derives the artifacts of an image, and remembers them. Throws what withPackages throws. */
async function derive(
  own: ArtifactRequest,
  record: ImageRecord,
  part: Part,
): Promise<readonly SubjectArtifacts[]> {
  const image = subjectsOf(record);
  const id = image.systems.map(({ config }) => config.digest).join(" ");
  const all = await singleFlight(`${part} ${id} ${own.key}`, () =>
    deriveArtifacts(own, image, part),
  );
  for (const artifacts of all) {
    const { subject, referrers, tags } = artifacts;
    subjects.set(`${part} ${subject} ${own.key}`, { referrers, tags });
    for (const blob of blobsOf(artifacts)) blobs.set(`${blob.digest} ${own.key}`, blob);
  }
  return all;
}
