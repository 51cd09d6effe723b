/**
 * A node of Kubernetes, as far as images go: containerd, asked by the kubelet's protocol (CRI,
 * `runtime.v1.ImageService`) over its socket. Pulled images are run by ctr.
 */
import { connect as connectHttp2, constants } from "node:http2";
import { connect } from "node:net";
import { buffer } from "node:stream/consumers";
import { type Client, type ClientKind, NEEDS } from "./client.ts";
import { type Containerd, startContainerd, storedImage } from "./containerd-daemon.ts";
import { decode, encode } from "./protobuf.ts";

export const cri: ClientKind = { name: "cri", needs: NEEDS.containerd, open: () => openNode() };

export interface Node extends Client {
  /** Directory of `<registry>/hosts.toml`; read anew for each pull. */
  readonly hosts: string;
  /** Pulls, and gives the reference that the kubelet keeps of the image: its config's digest. */
  pullImage(image: string): Promise<string>;
  /** What the node knows of an image: `name@digest` for each name. */
  repoDigests(image: string): Promise<readonly string[]>;
}

/** Containers of Kubernetes, and the images that they may use. */
const NAMESPACE = "k8s.io";
/** Field numbers of api.proto. */
const IMAGE = 1;
const AUTH = 2;
const REF = 1;
const REPO_DIGESTS = 3;

export async function openNode(): Promise<Node> {
  const daemon = await startContainerd({ cri: true, namespace: NAMESPACE });
  const credentials = new Map<string, Buffer>();
  const stored = (image: string) => storedImage(daemon, full(image), "amd64");
  const pullImage = async (image: string): Promise<string> => {
    const auth = credentials.get(image.split("/")[0] ?? "");
    const answer = await call(
      daemon,
      "PullImage",
      encode({ [IMAGE]: spec(image), ...(auth === undefined ? {} : { [AUTH]: auth }) }),
    );
    return String(fieldOf(answer, REF));
  };
  return {
    name: "cri",
    hosts: daemon.hosts,
    pullImage,
    async repoDigests(image) {
      const answer = await call(daemon, "ImageStatus", encode({ [IMAGE]: spec(image) }));
      return decode(fieldOf(answer, IMAGE))
        .filter(({ field }) => field === REPO_DIGESTS)
        .map(({ bytes }) => String(bytes));
    },
    async pull(image, platform) {
      if (platform !== undefined && platform !== "linux/amd64")
        throw new Error(`a node pulls for its own platform, not for ${platform}`);
      await pullImage(image);
    },
    login(host, user, password) {
      credentials.set(host, encode({ 1: user, 2: password }));
      return Promise.resolve();
    },
    logout(host) {
      credentials.delete(host);
      return Promise.resolve();
    },
    architecture: async (image) => (await stored(image)).config.architecture,
    diffIds: async (image) => (await stored(image)).diffIds(),
    run: (image, args) => daemon.run(full(image), args),
    close: () => daemon.stop(),
  };
}

const full = (image: string): string => (/:[^/]*$|@/.test(image) ? image : `${image}:latest`);

/** An ImageSpec. */
const spec = (image: string): Buffer => encode({ 1: image });

const fieldOf = (message: Buffer, wanted: number): Buffer =>
  decode(message).find(({ field }) => field === wanted)?.bytes ?? Buffer.alloc(0);

/** gRPC's frame: not compressed, and the message's length. */
const FRAME_HEADER = 5;

/**
 * One call of the image service. Throws with the node's words when it fails (gRPC's status is a
 * trailer).
 */
async function call({ address }: Containerd, method: string, message: Buffer): Promise<Buffer> {
  const session = connectHttp2("http://localhost", { createConnection: () => connect(address) });
  try {
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: "POST",
      [constants.HTTP2_HEADER_PATH]: `/runtime.v1.ImageService/${method}`,
      "content-type": "application/grpc",
      te: "trailers",
    });
    let status: Record<string, unknown> = {};
    const note = (headers: Record<string, unknown>): void =>
      void (status = { ...status, ...headers });
    stream.on("response", note).on("trailers", note);
    const header = Buffer.alloc(FRAME_HEADER);
    header.writeUInt32BE(message.length, 1);
    stream.end(Buffer.concat([header, message]));
    const answer = await buffer(stream);
    if (status["grpc-status"] !== "0")
      throw new Error(`${method}: ${decodeURIComponent(String(status["grpc-message"]))}`);
    return answer.subarray(FRAME_HEADER);
  } finally {
    session.close();
  }
}
