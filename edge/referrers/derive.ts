/**
 * Derives the artifacts of an image: signatures from the digests of its manifests, documents from
 * the closures of its packages. The number of documents made at a time is limited, since closures
 * take memory.
 */
import type { ComposeInput } from "../compose/compose.ts";
import { canonicalName, type ImageRequest } from "../contract/names.ts";
import { note } from "../log.ts";
import type { Context } from "../pull/context.ts";
import { unavailable } from "../pull/errors.ts";
import { MemoryQueue, waitingBytes } from "../pull/images/memory-queue.ts";
import { spend } from "../pull/limits.ts";
import { withPackages } from "../pull/packages/complete-packages.ts";
import { readClosure } from "../store/closures.ts";
import type { SubjectArtifacts } from "./artifact-set.ts";
import {
  documentArtifacts,
  type Documents,
  documentsOf,
  signatureArtifacts,
  type Signer,
} from "./artifacts.ts";
import { Gathering, type ImageContents, TooManyPaths } from "./contents.ts";
import { documentBytes, spdxDocument } from "./spdx.ts";
import type { RecordSubjects, Subject, SystemSubjects } from "./subjects.ts";

/** Most memory for documents that are made at the same time, with their closures, bytes. */
const MAKING_BYTES = 16 * 2 ** 20;
/**
 * Largest document, bytes: some 5,000 store paths. It is in memory three times while it is made.
 */
const MAX_DOCUMENT_BYTES = 12 * 2 ** 20;
/** Memory that a closure takes once it is parsed, as a multiple of its blob. */
const PARSED_FACTOR = 25;
/** Most bytes that images take while they wait for their turn: 160 of one package, 60 of ten. */
const WAITING_BYTES = 8 * 2 ** 20;
const RETRY_SECONDS = 5;
const queue = new MemoryQueue({ budget: MAKING_BYTES, waiting: WAITING_BYTES });

/** Signatures need only the manifests' digests, documents the closures of the packages. */
export const PARTS = ["signatures", "documents"] as const;
export type Part = (typeof PARTS)[number];

/** An image and who asks for it. */
export interface Deriving {
  readonly context: Context;
  readonly request: ImageRequest;
  /** Null without a key. */
  readonly signer: Signer | null;
}

/** The signatures of the image's manifests, or their documents. Throws what withPackages throws. */
export const deriveArtifacts = (
  own: Deriving,
  image: RecordSubjects,
  part: Part,
): Promise<readonly SubjectArtifacts[]> =>
  part === "signatures" ? signatures(own, image) : documents(own, image);

/** Signatures of every manifest; none without a key. */
async function signatures(
  { signer }: Deriving,
  { systems, indexes }: RecordSubjects,
): Promise<SubjectArtifacts[]> {
  const all = [...systems.flatMap(({ manifests }) => manifests), ...indexes];
  return all.map((subject) =>
    signer === null ? noArtifacts(subject) : signatureArtifacts(subject, signer),
  );
}

/** SBOM and provenance of the images for each system, one after the other because of their size. */
async function documents(
  own: Deriving,
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

/**
 * The documents of an image for one system; null when it is too large for that, which is logged.
 */
async function describe(own: Deriving, image: SystemSubjects): Promise<Documents | null> {
  const { context, request, signer } = own;
  spend(context, "looks");
  try {
    return await withPackages(context, { scope: image.scope, request }, ({ packages }) =>
      inTurn(packages, async () => {
        const contents = await contentsOf(own, image, packages);
        const spdx = await spdxDocument(contents, image.config.digest);
        return documentsOf(contents, image, spdx, signer?.key ?? null);
      }),
    );
  } catch (error) {
    if (!(error instanceof TooManyPaths)) throw error;
    note("warn", "referrers.too-large", { image: request.name, reason: error.message });
    return null;
  }
}

type Packages = ComposeInput["packages"];

/** What the image consists of, from the closures of its packages. Throws TooManyPaths. */
async function contentsOf(
  { context, request }: Deriving,
  { scope }: SystemSubjects,
  packages: Packages,
): Promise<ImageContents> {
  const gathering = new Gathering();
  for (const { record, made } of packages.toSorted((a, b) =>
    a.record.name < b.record.name ? -1 : 1,
  ))
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
  return contents;
}

function checkSize(contents: ImageContents): void {
  const bytes = documentBytes(contents);
  if (bytes > MAX_DOCUMENT_BYTES)
    throw new TooManyPaths(
      `the list of the image's contents would have ${bytes} bytes; the most is ${MAX_DOCUMENT_BYTES}`,
    );
}

/** Works when its turn comes. Throws UNAVAILABLE (503) when too much is waiting. */
async function inTurn<T>(packages: Packages, work: () => Promise<T>): Promise<T> {
  const closures = packages.reduce((sum, { record }) => sum + record.closure.size, 0);
  const bytes = Math.min(closures * PARSED_FACTOR, MAKING_BYTES);
  const release = await queue.take(bytes, waitingBytes({ packages }));
  if (release === null)
    throw unavailable(
      `too many images are waiting for their documents (limit: ${WAITING_BYTES / 2 ** 20} MiB of ` +
        `memory): try again in ${RETRY_SECONDS} seconds`,
      RETRY_SECONDS,
      { limit: WAITING_BYTES },
    );
  try {
    return await work();
  } finally {
    release();
  }
}
