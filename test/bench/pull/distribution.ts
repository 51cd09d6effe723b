/** Debian's docker-registry (CNCF Distribution), with storage of its own on 127.0.0.1. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Need } from "../../../origin/local/needs.ts";
import { freePort } from "../../../origin/local/ports.ts";
import { startDaemon } from "../../harness/daemon.ts";
import { digestOf } from "../../harness/registry-client.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";

export const DISTRIBUTION: Need = {
  command: "docker-registry",
  debian: "docker-registry",
  purpose: "serves the images that pulls are compared with",
};

export interface Distribution {
  readonly url: string;
  /** Uploads one image under the tag `latest`: its blobs, then its manifest. */
  push(name: string, image: PushedImage): Promise<void>;
  stop(): Promise<void>;
}
export interface PushedImage {
  readonly mediaType: string;
  readonly manifest: Uint8Array<ArrayBuffer>;
  readonly blobs: readonly Uint8Array<ArrayBuffer>[];
}

export async function startDistribution(): Promise<Distribution> {
  const root = await tempDir("distribution");
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const config = join(root, "config.yml");
  const settings = {
    version: "0.1",
    log: { level: "error", accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: join(root, "data") },
      cache: { blobdescriptor: "inmemory" },
    },
    http: { addr: `127.0.0.1:${port}` },
  };
  // JSON is YAML.
  await writeFile(config, JSON.stringify(settings));
  const daemon = await startDaemon(["docker-registry", "serve", config], {}, () =>
    fetch(`${url}/v2/`).then(
      ({ ok }) => ok,
      () => false,
    ),
  ).catch(async (error: unknown) => {
    await removeTree(root);
    throw error;
  });
  return {
    url,
    async push(name, { mediaType, manifest, blobs }) {
      for (const blob of blobs) {
        const upload = await send(`${url}/v2/${name}/blobs/uploads/`, { method: "POST" });
        const target = new URL(upload.headers.get("location") ?? "", url);
        target.searchParams.set("digest", digestOf(blob));
        await send(target, { method: "PUT", body: blob });
      }
      await send(`${url}/v2/${name}/manifests/latest`, {
        method: "PUT",
        body: manifest,
        headers: { "content-type": mediaType },
      });
    },
    async stop() {
      await daemon.stop();
      await removeTree(root);
    },
  };
}

async function send(url: string | URL, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  const text = await response.text();
  if (!response.ok)
    throw new Error(`docker-registry answered ${init.method} with ${response.status}: ${text}`);
  return response;
}
