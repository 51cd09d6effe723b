/**
 * Writes an image to an output (output-form.ts): an OCI layout (OCI image spec, image-layout.md),
 * or an archive of one. The same image always gives the same archive, byte for byte.
 */
import { constants, createWriteStream } from "node:fs";
import { copyFile, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import * as v from "valibot";
import { tarEnd, tarHeader, tarPadding } from "../../edge/contract/tar.ts";
import { OCI_INDEX } from "../../edge/contract/media-types.ts";
import { canonicalJson } from "../../edge/contract/keys.ts";
import { whileLocked } from "../disk/file-lock.ts";
import { removeLeftovers } from "../disk/temporary.ts";
import { writeWhole } from "../disk/write-whole.ts";
import type { Output } from "./output-form.ts";
import { bytesOf, hexOf, type ImageBlob, type OciImage, type PlatformImage } from "./oci-image.ts";

const REF_NAME = "org.opencontainers.image.ref.name";
const CONTAINERD_NAME = "io.containerd.image.name";
const LAYOUT = '{"imageLayoutVersion":"1.0.0"}';

/** The image's name and tag, if the output has none. */
export interface ImageName {
  readonly name: string;
  readonly tag: string;
}

/** Writes the image. `onBytes` is called with the size of each blob when it is written. */
export async function writeImage(
  image: OciImage,
  output: Output,
  name: ImageName,
  onBytes: (bytes: number) => void = () => {},
): Promise<void> {
  switch (output.kind) {
    case "oci":
      return writeLayout(image, output.directory, output.reference ?? name.tag, onBytes);
    case "stdout":
      return toStream(archive(image, dockerNames(undefined, name), onBytes), process.stdout);
    case "docker-archive":
    case "oci-archive": {
      const names =
        output.kind === "docker-archive"
          ? dockerNames(output.reference, name)
          : { tag: output.reference ?? name.tag };
      // What a killed run has left.
      removeLeftovers(dirname(output.file), 1);
      return writeWhole(output.file, (temporary) =>
        toStream(archive(image, names, onBytes), createWriteStream(temporary)),
      );
    }
  }
}

const toStream = (
  chunks: AsyncIterable<Uint8Array>,
  stream: NodeJS.WritableStream,
): Promise<void> => pipeline(Readable.from(chunks, { objectMode: false }), stream);

/** The names of an image in an archive. */
interface Names {
  readonly tag: string;
  /** `git:latest`: only of archives for docker. */
  readonly repoTag?: string;
}

function dockerNames(reference: string | undefined, { name, tag }: ImageName): Names {
  const repoTag = withTag(reference ?? name, reference === undefined ? tag : "latest");
  return { tag: repoTag.slice(repoTag.lastIndexOf(":") + 1), repoTag };
}

/** Adds the tag unless there is one: a colon after the last slash (an earlier one is of a port). */
const withTag = (reference: string, tag: string): string =>
  reference.includes(":", reference.lastIndexOf("/") + 1) ? reference : `${reference}:${tag}`;

/** The full name, as containerd needs it: `git:latest` → `docker.io/library/git:latest`. */
function fullName(repoTag: string): string {
  const [first = "", ...rest] = repoTag.split("/");
  if (rest.length === 0) return `docker.io/library/${repoTag}`;
  const isHost = /[.:]/.test(first) || first === "localhost";
  return isHost ? repoTag : `docker.io/${repoTag}`;
}

function indexEntry({ root }: OciImage, { tag, repoTag }: Names) {
  const { mediaType, digest, size } = root;
  const annotations = {
    [REF_NAME]: tag,
    ...(repoTag === undefined ? {} : { [CONTAINERD_NAME]: fullName(repoTag) }),
  };
  return { mediaType, digest, size, annotations };
}

const indexText = (manifests: readonly unknown[]): string =>
  canonicalJson({ schemaVersion: 2, mediaType: OCI_INDEX, manifests });

/** The needed part of an index.json; the rest is kept. */
const IndexSchema = v.looseObject({
  manifests: v.array(v.looseObject({ annotations: v.optional(v.record(v.string(), v.string())) })),
});

/** Adds the image to the layout, in which it takes the tag from another image. */
async function writeLayout(
  image: OciImage,
  directory: string,
  tag: string,
  onBytes: (bytes: number) => void,
): Promise<void> {
  await mkdir(join(directory, "blobs/sha256"), { recursive: true }).catch((error: Error) => {
    throw new Error(`cannot write to ${directory}: ${error.message}`, { cause: error });
  });
  removeLeftovers(directory, 3);
  const indexFile = join(directory, "index.json");
  // Before anything is written: the directory may be something else.
  await otherEntries(indexFile, tag);
  for (const blob of image.blobs) {
    await writeBlob(blob, join(directory, "blobs/sha256", hexOf(blob.digest)));
    onBytes(blob.size);
  }
  await writeFile(join(directory, "oci-layout"), LAYOUT);
  await whileLocked(directory, new AbortController().signal, async () => {
    const others = await otherEntries(indexFile, tag);
    const text = indexText([...others, indexEntry(image, { tag })]);
    await writeWhole(indexFile, (temporary) => writeFile(temporary, text));
  });
}

/** The entries of other tags. Throws an Error when the file is there and is no index. */
async function otherEntries(indexFile: string, tag: string): Promise<unknown[]> {
  const text = await readFile(indexFile, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  if (text === undefined) return [];
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), IndexSchema), text);
  if (!parsed.success)
    throw new Error(`${indexFile} is not the index of an OCI layout: name another directory`);
  return parsed.output.manifests.filter(({ annotations }) => annotations?.[REF_NAME] !== tag);
}

async function writeBlob({ content, size }: ImageBlob, path: string): Promise<void> {
  const there = await stat(path).catch(() => undefined);
  if (there?.size === size) return;
  if (content instanceof Uint8Array)
    await writeWhole(path, (temporary) => writeFile(temporary, content));
  else if (content.file !== path)
    // Shares the bytes where the file system can.
    await writeWhole(path, (temporary) =>
      copyFile(content.file, temporary, constants.COPYFILE_FICLONE),
    );
}

async function* archive(
  image: OciImage,
  names: Names,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  // First what readers need first.
  if (names.repoTag !== undefined)
    yield* textFile("manifest.json", dockerManifest(image, names.repoTag));
  yield* textFile("index.json", indexText([indexEntry(image, names)]));
  yield* textFile("oci-layout", LAYOUT);
  for (const path of ["blobs", "blobs/sha256"])
    yield tarHeader({ path, type: "directory", mode: 0o755 });
  const byDigest = image.blobs.toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
  for (const blob of byDigest) {
    const path = `blobs/sha256/${hexOf(blob.digest)}`;
    yield tarHeader({ path, type: "file", mode: 0o644, size: blob.size });
    let written = 0;
    for await (const chunk of bytesOf(blob)) {
      written += chunk.length;
      yield chunk;
    }
    if (written !== blob.size)
      throw new Error(`blob ${blob.digest} has ${written} bytes in the cache, not ${blob.size}`);
    yield new Uint8Array(tarPadding(blob.size));
    onBytes(blob.size);
  }
  yield tarEnd;
}

function* textFile(path: string, text: string): Generator<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  yield tarHeader({ path, type: "file", mode: 0o644, size: bytes.length });
  yield bytes;
  yield new Uint8Array(tarPadding(bytes.length));
}

/**
 * manifest.json, for older `docker load` and `podman load`. It has one platform: this machine's, if
 * the image is available for it.
 */
function dockerManifest({ platforms }: OciImage, repoTag: string): string {
  const here = platforms.find(({ platform }) => platform === `linux/${dockerArchitecture()}`);
  const chosen = here ?? platforms[0];
  const entries = chosen === undefined ? [] : [dockerEntry(chosen, repoTag)];
  return JSON.stringify(entries);
}

const dockerEntry = ({ config, layers }: PlatformImage, repoTag: string) => ({
  Config: `blobs/sha256/${hexOf(config.digest)}`,
  RepoTags: [repoTag],
  Layers: layers.map(({ digest }) => `blobs/sha256/${hexOf(digest)}`),
});

/** This machine's architecture by OCI's word. */
const dockerArchitecture = (): string => (process.arch === "x64" ? "amd64" : process.arch);
