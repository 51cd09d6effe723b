/**
 * How what refers to an image is found. Nothing of it is stored: whoever asks for the referrers of a
 * manifest has the image's artifacts derived, and they are remembered for the requests that follow.
 * Another isolate that is asked for one of them by its digest knows only the name: it derives those
 * of the name's latest images, and remembers their digests, until one is it.
 *
 *   referrers/<manifest>        image record of the manifest → closures → artifacts
 *   manifests/sha256-<hex>.sig  the same, by cosign's tag
 *   manifests/<artifact>        remembered, or the latest images of the name, one after another
 *   blobs/<blob of one>         the same
 */
import { canonicalName, type ImageRequest } from "../contract/names.ts";
import type { Digest } from "../contract/digest.ts";
import type { ImageRecord } from "../contract/records.ts";
import { note } from "../log.ts";
import { unavailable } from "../pull/errors.ts";
import type { Context } from "../pull/context.ts";
import { type DerivedBlob, imageNameOf } from "../pull/images/derived-blobs.ts";
import { findImageByDigest, latestImages } from "../pull/images/image-records.ts";
import { spend } from "../pull/limits.ts";
import { singleFlight } from "../pull/single-flight.ts";
import { Turns, waitingBytes } from "../pull/images/turns.ts";
import { withPackages } from "../pull/packages/complete-packages.ts";
import { readClosure } from "../store/closures.ts";
import { memory } from "../store/memory.ts";
import {
  documentArtifacts,
  type Documents,
  documentsOf,
  EMPTY,
  signatureArtifacts,
  type Signer,
  type SubjectArtifacts,
} from "./artifacts.ts";
import { Gathering, type ImageContents, TooManyPaths } from "./contents.ts";
import { documentBytes, spdxDocument } from "./spdx.ts";
import { type RecordSubjects, type Subject, type SystemSubjects, subjectsOf } from "./subjects.ts";

/** Artifacts as bytes: those of some hundred images. */
const BLOBS_BYTES = 5 * 2 ** 20;
/** What subjects have, without the bytes: of some hundred manifests. */
const SUBJECTS_BYTES = 2 ** 20;
/** Digests of all artifacts of an image: of some hundred images. */
const DIGESTS_BYTES = 2 ** 20;
/** A referrer of a subject in memory, bytes, roughly. */
const REFERRER_BYTES = 1_000;
/** A digest in a set, bytes. */
const DIGEST_BYTES = 150;
/** Latest images of a name among whose artifacts a digest is looked for. */
const LATEST = 32;

/** Most bytes that documents take which are made at once, with what they are made from. */
const MAKING_BYTES = 16 * 2 ** 20;
/** Largest document: while it is made it is in memory three times. Of some 5,000 store paths. */
const MAX_DOCUMENT_BYTES = 12 * 2 ** 20;
/** What a closure takes when it is read, compared with its blob. */
const PARSED_FACTOR = 25;
/** Most bytes that images take which wait for their turn: 250 of one package, 60 of ten. */
const WAITING_BYTES = 8 * 2 ** 20;
const RETRY_SECONDS = 5;
const turns = new Turns({ budget: MAKING_BYTES, waiting: WAITING_BYTES });

/** Signatures need no more than the manifests' digests, documents the closures of the packages. */
const PARTS = ["signatures", "documents"] as const;
export type Part = (typeof PARTS)[number];

/** What is said of a manifest's artifacts. */
export type Referrers = Pick<SubjectArtifacts, "referrers" | "tags">;

const blobs = memory<DerivedBlob>(BLOBS_BYTES, ({ size }) => size);
const subjects = memory<Referrers>(
  SUBJECTS_BYTES,
  ({ referrers }) => (1 + referrers.length) * REFERRER_BYTES,
);
const digests = memory<ReadonlySet<Digest>>(DIGESTS_BYTES, ({ size }) => size * DIGEST_BYTES);

/** An image and who asks for it: the signature is good for the name as it is asked for. */
interface Asked {
  readonly context: Context;
  readonly request: ImageRequest;
  readonly signer: Signer | null;
  /** Names what is remembered: of another name the same image has other signatures. */
  readonly key: string;
}

function asked(context: Context, request: ImageRequest): Asked {
  const { signingKey: key, packageSet } = context.config;
  const signer = key && { key, reference: referenceOf(context, request) };
  return { context, request, signer, key: `${packageSet.id} ${signer?.reference ?? request.name}` };
}

/** The name that a signature is good for: by no host that the configuration does not have. */
function referenceOf({ config: { hosts }, url }: Context, { name }: ImageRequest): string {
  const [first] = hosts;
  if (first === undefined) return name;
  // A client chooses what it asks for.
  const { host } = new URL(url);
  return `${hosts.includes(host) ? host : first}/${name}`;
}

/** What refers to a manifest of the image, of these parts; null when the image has no such manifest. */
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
  // Signatures are made in no time; documents take their closures.
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

/** What this isolate has derived a moment ago. */
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
  own: Asked,
  record: ImageRecord,
  part: Part,
): Promise<readonly SubjectArtifacts[]> {
  const image = subjectsOf(record);
  const id = image.systems.map(({ config }) => config.digest).join(" ");
  const all = await singleFlight(`${part} ${id} ${own.key}`, () =>
    part === "signatures" ? signatures(own, image) : documents(own, image),
  );
  for (const artifacts of all) {
    const { subject, referrers, tags } = artifacts;
    subjects.set(`${part} ${subject} ${own.key}`, { referrers, tags });
    for (const blob of blobsOf(artifacts)) blobs.set(`${blob.digest} ${own.key}`, blob);
  }
  return all;
}

/** Signatures of every manifest; none without a key. */
async function signatures(
  { signer }: Asked,
  { systems, indexes }: RecordSubjects,
): Promise<SubjectArtifacts[]> {
  const all = [...systems.flatMap(({ manifests }) => manifests), ...indexes];
  return all.map((subject) =>
    signer === null ? noArtifacts(subject) : signatureArtifacts(subject, signer),
  );
}

/** Bills of materials and provenance of the images for each system, one after the other for their size. */
async function documents(
  own: Asked,
  { systems, indexes }: RecordSubjects,
): Promise<SubjectArtifacts[]> {
  const all = indexes.map(noArtifacts);
  for (const system of systems) {
    const made = await describe(own, system);
    for (const subject of system.manifests)
      all.push(made === null ? noArtifacts(subject) : documentArtifacts(subject, made));
  }
  return all;
}

const noArtifacts = ({ digest }: Subject): SubjectArtifacts => ({
  subject: digest,
  referrers: [],
  tags: {},
  manifests: [],
  blobs: [],
});

/** The documents of an image for one system; null when it is too large for that, which is logged. */
async function describe(
  { context, request, signer }: Asked,
  image: SystemSubjects,
): Promise<Documents | null> {
  const { scope, config } = image;
  spend(context, "looks");
  try {
    return await withPackages(context, { scope, request }, ({ packages }) =>
      inTurn(
        {
          bytes: packages.reduce((sum, { record }) => sum + record.closure.size, 0) * PARSED_FACTOR,
          waiting: waitingBytes({ packages }),
        },
        async () => {
          const gathering = new Gathering();
          const sorted = packages.toSorted((a, b) => (a.record.name < b.record.name ? -1 : 1));
          for (const { record, made } of sorted)
            gathering.add(
              record,
              made?.level ?? record.level,
              await readClosure(context.bucket, record.closure),
            );
          const contents = gathering.contents({
            scope,
            set: context.config.packageSet,
            name: canonicalName(request.names, request.shell),
            shell: request.shell,
          });
          checkSize(contents);
          return documentsOf(
            contents,
            image,
            await spdxDocument(contents, config.digest),
            signer?.key ?? null,
          );
        },
      ),
    );
  } catch (error) {
    if (!(error instanceof TooManyPaths)) throw error;
    note("warn", "referrers.too-large", { image: request.name, reason: error.message });
    return null;
  }
}

function checkSize(contents: ImageContents): void {
  const bytes = documentBytes(contents);
  if (bytes > MAX_DOCUMENT_BYTES)
    throw new TooManyPaths(
      `the list of the image's contents would have ${bytes} bytes; the most is ${MAX_DOCUMENT_BYTES}`,
    );
}

/** Throws UNAVAILABLE (503) when too many wait. */
async function inTurn<T>(
  { bytes, waiting }: { readonly bytes: number; readonly waiting: number },
  work: () => Promise<T>,
): Promise<T> {
  const release = await turns.take(Math.min(bytes, MAKING_BYTES), waiting);
  if (release === null)
    throw unavailable(
      `as many images wait here to be described as may (${WAITING_BYTES} bytes of memory): try ` +
        `again in ${RETRY_SECONDS} seconds`,
      RETRY_SECONDS,
      { limit: WAITING_BYTES },
    );
  try {
    return await work();
  } finally {
    release();
  }
}
