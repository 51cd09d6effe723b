/** `firn push`: pushes an image, made here or pulled from an edge, to any registry. */
import { join } from "node:path";
import { blobPath } from "../../edge/contract/keys.ts";
import type { OciImage } from "../image/oci-image.ts";
import { size } from "../operator/table.ts";
import { Mounts } from "../remote/mounts.ts";
import { pullImage } from "../remote/pull.ts";
import { pushImage } from "../remote/push.ts";
import { parseRemoteImage, type RemoteImage } from "../remote/reference.ts";
import { stopSignal } from "../stop-signal.ts";
import { type BuildOptions, makeHere, wantedImage } from "./build.ts";
import { CommandFailed } from "./exit-codes.ts";
import { openProgress } from "./progress.ts";
import { imageName, openEdge, openRegistry, type Work } from "./remote.ts";

export interface PushOptions extends Omit<BuildOptions, "output"> {
  /** An edge to pull the image from; without it the image is made here. */
  readonly from: URL | undefined;
  readonly plainHttp: boolean;
  /** Repositories of the target's registry that may have the blobs. */
  readonly mountFrom: readonly string[];
}

/** Pushes an image; prints the target with the image's digest, or with `json` what was done. */
export async function push(text: string, to: string, options: PushOptions): Promise<void> {
  const target = targetOf(to, options.plainHttp);
  const progress = openProgress();
  const work = { progress, signal: stopSignal() };
  try {
    const image = await sourceImage(text, options, work);
    const { registry: url, host, repository, reference } = target;
    const registry = await openRegistry({ url, host }, work);
    const mounts = await Mounts.open(options.stateDir, host);
    progress.step(`pushing to ${host}/${repository}`);
    const pushed = await pushImage(
      registry,
      image,
      { repository, reference },
      {
        sources: (digest) => [...options.mountFrom, ...mounts.sources(digest)],
        events: {
          bytes: (done, total) => progress.bytes(done, total),
          blob: (digest) => mounts.add(digest, repository),
        },
      },
    );
    await mounts.save();
    progress.end();
    const { root, sent, mounted, present, bytes } = pushed;
    if (options.json) {
      const said = {
        registry: host,
        repository,
        reference,
        ...root,
        sent,
        mounted,
        present,
        bytes,
      };
      return void process.stdout.write(`${JSON.stringify(said)}\n`);
    }
    progress.note(
      `${sent} blobs sent (${size(bytes)}), ${mounted} mounted from other repositories, ` +
        `${present} were there`,
    );
    progress.end();
    process.stdout.write(`${host}/${repository}@${root.digest}\n`);
  } finally {
    progress.end();
  }
}

function targetOf(text: string, plainHttp: boolean): RemoteImage {
  try {
    const target = parseRemoteImage(text, plainHttp);
    if (target.reference.startsWith("sha256:"))
      throw new Error(`${text} names a digest: give a tag, the image has its digest already`);
    return target;
  } catch (error) {
    throw new CommandFailed("usage", (error as Error).message);
  }
}

async function sourceImage(text: string, options: PushOptions, work: Work): Promise<OciImage> {
  const { progress } = work;
  const { from: url, stateDir } = options;
  if (url === undefined) {
    const wanted = await wantedImage(text, options.edge, work);
    return (await makeHere(wanted, options, work)).image;
  }
  const { name, reference } = imageName(text);
  const edge = await openEdge(url, work);
  progress.step(`fetching ${name} from ${url.host}`);
  return pullImage(edge, {
    repository: name,
    reference,
    path: (digest) => join(stateDir, blobPath(digest)),
    events: { bytes: (done, total) => progress.bytes(done, total) },
  });
}
