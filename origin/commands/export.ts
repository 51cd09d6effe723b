/** `firn export`: pulls an image from a registry and writes it as a directory or archive. */
import { join } from "node:path";
import { blobPath } from "../../edge/contract/keys.ts";
import { removeLeftovers } from "../disk/temporary.ts";
import { fetchedBytes } from "../image/oci-image.ts";
import { writeImage } from "../image/output.ts";
import type { Output } from "../image/output-form.ts";
import { size } from "../operator/table.ts";
import { pullImage } from "../remote/pull.ts";
import { stopSignal } from "../stop-signal.ts";
import { CommandFailed } from "./exit-codes.ts";
import { openProgress } from "./progress.ts";
import { imageName, openEdge } from "./remote.ts";

export interface ExportOptions {
  readonly edge: URL;
  readonly output: Output;
  /** `linux/amd64`; all when left out. */
  readonly platform?: string | undefined;
  /** Directory of the blobs from which archives are made. */
  readonly stateDir: string;
  readonly json: boolean;
}

/** Pulls and writes an image; prints its digest, or with `json` a description. */
export async function exportImage(text: string, options: ExportOptions): Promise<void> {
  const { output, platform, json, edge: url } = options;
  const toStdout = output.kind === "stdout";
  if (toStdout && json)
    throw new CommandFailed("usage", "--json and - both write to standard output");
  if (toStdout && process.stdout.isTTY)
    throw new CommandFailed("usage", "- writes an archive, which a terminal cannot show");
  const { name, reference } = imageName(text);
  removeLeftovers(options.stateDir);
  const progress = openProgress();
  try {
    const registry = await openEdge(url, { progress, signal: stopSignal() });
    progress.step(`asking ${url.host} for ${name}`);
    // A layout's own blobs are not fetched again; archives are made from those kept here.
    const directory = output.kind === "oci" ? output.directory : options.stateDir;
    let [fetched, total] = [0, 0];
    const image = await pullImage(registry, {
      repository: name,
      reference,
      platform,
      path: (digest) => join(directory, blobPath(digest)),
      events: {
        bytes: (done, all, now) => {
          [fetched, total] = [now, all];
          progress.step("fetching");
          progress.bytes(done, all);
        },
      },
    });
    progress.step("writing");
    const tag = reference.startsWith("sha256:") ? "latest" : reference;
    await writeImage(image, output, { name, tag });
    progress.end();
    const { root, platforms } = image;
    if (json) {
      const said = { name, reference, ...root, bytes: total, fetched };
      return void process.stdout.write(`${JSON.stringify({ ...said, platforms })}\n`);
    }
    for (const one of platforms)
      progress.note(`${one.platform}: ${one.layers.length} layers, ${size(fetchedBytes(one))}`);
    progress.note(`fetched ${size(fetched)} of ${size(total)}`);
    progress.end();
    if (!toStdout) process.stdout.write(`${root.digest}\n`);
  } finally {
    progress.end();
  }
}
