/** A containerd of the test's own, and the images in its content store. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { startDaemon } from "../daemon.ts";
import { digestOf } from "../registry-client.ts";
import { type RunResult, runProgram } from "./program.ts";
import { removeTree, tempDir } from "../temp.ts";

export interface Containerd {
  /** Its socket, for gRPC. */
  readonly address: string;
  /** Directory of `<registry>/hosts.toml`, which says where each registry's images come from. */
  readonly hosts: string;
  ctr(args: readonly string[], reject?: boolean): Promise<RunResult>;
  /**
   * Runs a command in a container of an image that is there, and removes the container. Its ID is
   * one that no other containerd of this machine has: runc keeps all containers of a namespace in
   * one directory, whichever containerd asked for them.
   */
  run(image: string, args: readonly string[], flags?: readonly string[]): Promise<RunResult>;
  /** A blob of its content store. */
  blob(digest: string): Promise<Buffer>;
  stop(): Promise<void>;
}

export interface ContainerdOptions {
  /** With the plugin that Kubernetes' kubelet talks to. */
  readonly cri: boolean;
  readonly namespace: string;
}

export async function startContainerd({ cri, namespace }: ContainerdOptions): Promise<Containerd> {
  const root = await tempDir("ctr");
  const address = join(root, "sock");
  const hosts = join(root, "certs.d");
  await mkdir(hosts);
  await writeFile(join(root, "config.toml"), configure(root, cri));
  const ctr = (args: readonly string[], reject = true) =>
    runProgram("ctr", ["--address", address, "--namespace", namespace, ...args], { reject });
  const daemon = await startDaemon(
    ["containerd", "--config", join(root, "config.toml")],
    {},
    async () => (await ctr(["version"], false)).exitCode === 0,
  ).catch(async (error: unknown) => {
    await removeTree(root);
    throw error;
  });
  let runs = 0;
  const blobs = join(root, "root/io.containerd.content.v1.content/blobs");
  return {
    address,
    hosts,
    ctr,
    run: (image, args, flags = []) =>
      ctr(["run", "--rm", ...flags, image, `${basename(root)}-${++runs}`, ...args], false),
    blob: (digest) => readFile(join(blobs, digest.replace(":", "/"))),
    async stop() {
      await daemon.stop();
      await removeTree(root);
    },
  };
}

const configure = (root: string, cri: boolean): string => `version = 2
root = "${root}/root"
state = "${root}/state"
${cri ? "" : `disabled_plugins = ["io.containerd.grpc.v1.cri"]`}
[grpc]
address = "${root}/sock"
[ttrpc]
address = "${root}/sock.ttrpc"
${cri ? CRI(root) : ""}`;

/** Pods are not run here, so their networks are nowhere. */
const CRI = (root: string): string => `[plugins."io.containerd.grpc.v1.cri"]
stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "${root}/cni"
conf_dir = "${root}/cni"
[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "${root}/certs.d"
`;

interface Stored {
  readonly architecture: string;
  readonly rootfs: { readonly diff_ids: readonly string[] };
}
interface Document {
  readonly manifests?: readonly { digest: string; platform?: { architecture: string } }[];
  readonly config: { digest: string };
  readonly layers: readonly { digest: string }[];
}

/** The image that a name in `ctr images list` means; of an index, the child for `architecture`. */
export async function storedImage(
  { ctr, blob }: Containerd,
  name: string,
  architecture: string,
): Promise<{ readonly config: Stored; diffIds(): Promise<readonly string[]> }> {
  const { stdout } = await ctr(["images", "list", `name==${name}`]);
  const digest = /sha256:[0-9a-f]{64}/.exec(stdout)?.[0];
  if (digest === undefined) throw new Error(`containerd has no image ${name}`);
  const read = async (of: string) => JSON.parse(String(await blob(of))) as Document;
  const document = await read(digest);
  const child = document.manifests?.find(({ platform }) => platform?.architecture === architecture);
  const { config, layers } = child === undefined ? document : await read(child.digest);
  return {
    config: JSON.parse(String(await blob(config.digest))) as Stored,
    diffIds: () =>
      Promise.all(layers.map(async (layer) => digestOf(gunzipSync(await blob(layer.digest))))),
  };
}
