/**
 * A connection is cut in the middle of a layer: between client and registry, or between client and
 * bucket where the registry redirects. Clients that resume ask for the rest (Range) and fetch no
 * byte twice; the others fail, and fetch the layer again when they are told to pull again.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Digest } from "../../edge/contract/digest.ts";
import { putPackage, type TestEdge } from "../edge/registry/support.ts";
import { type Front, type Passed, startFront } from "../harness/clients/front.ts";
import { type ClientKind, containerd, cri, docker, PULLERS } from "../harness/clients/index.ts";
import { forEachClient } from "./each-client.ts";
import { expectedImage, noise, startRegistry } from "./images.ts";

const SIZE = 3_000_000;
/** Of Debian 12; later podman, buildah and skopeo resume, too. */
const RESUME = new Set([docker, containerd, cri]);
/** After how many bytes answers are cut. docker waits for 5 seconds before it tries again. */
const cutsFor = (kind: ClientKind): readonly number[] =>
  kind === containerd || kind === cri ? [1_000_000, 500_000] : [1_000_000];

/** The blob of the registry or of the bucket that an answer holds, or undefined. */
const blobOf = ({ method, path, status }: Passed): Digest | undefined => {
  if (method !== "GET" || status >= 300) return undefined;
  const hex = /\/blobs\/sha256[:/]([0-9a-f]{64})$/.exec(decodeURIComponent(path))?.[1];
  return hex === undefined ? undefined : `sha256:${hex}`;
};

/** The answers that a client gets when it asks for the rest after each cut. */
function resumed(cuts: readonly number[], size: number) {
  let from = 0;
  return [...cuts, size].map((cut) => {
    const bytes = Math.min(cut, size - from);
    const part =
      from === 0 ? { range: undefined, status: 200 } : { range: `bytes=${from}-`, status: 206 };
    from += bytes;
    return { ...part, bytes };
  });
}

// docker waits before it tries again: the other way goes on meanwhile.
describe("cut in the middle of a layer", { concurrency: true }, () => {
  for (const blobs of ["stream", "presign"] as const) {
    describe(`BLOBS=${blobs}`, () => {
      /** Between the clients and the bucket. */
      let bucket: Front;
      let firn: TestEdge;
      /** By blob: after how many bytes its next answers are cut. */
      const cuts = new Map<string, number[]>();
      const cut = (passed: Passed): number | null =>
        cuts.get(blobOf(passed) ?? "")?.shift() ?? null;

      before(async () => {
        bucket = await startFront();
        bucket.cut = cut;
        const behind = blobs === "presign" ? { S3_ENDPOINT: bucket.url } : {};
        firn = await startRegistry({ SYSTEMS: "x86_64-linux", BLOBS: blobs, ...behind });
        bucket.target = firn.edge.s3.endpoint;
      });
      after(async () => {
        await firn?.stop();
        await bucket?.stop();
      });

      forEachClient({ kinds: PULLERS, url: () => firn.url }, (given) => {
        const { kind, skip } = given;
        /** An image with a large layer that one test alone cuts. */
        const putLarge = async (name: string) => {
          const contents = noise(name, SIZE);
          const { layers } = await putPackage(firn.bucket, { name, contents, compression: 1 });
          const layer = layers.find(({ size }) => size >= SIZE);
          assert.ok(layer !== undefined);
          const { diffIds } = await expectedImage(firn, name);
          return { image: `${given.front.host}/${name}`, ...layer, diffIds };
        };
        /** The answers with bytes of a blob that the client gets from now on. */
        const transfers = (digest: Digest): (() => Passed[]) => {
          const way = blobs === "stream" ? given.front : bucket;
          way.cut = cut;
          const from = way.passed.length;
          return () => way.passed.slice(from).filter((passed) => blobOf(passed) === digest);
        };

        test("has every byte in the end", { skip }, async () => {
          const { image, digest, size, diffIds } = await putLarge(`large-${kind.name}`);
          const seen = transfers(digest);
          cuts.set(digest, [...cutsFor(kind)]);
          const pull = (): Promise<void> => given.client.pull(image);
          await (RESUME.has(kind) ? pull() : pull().catch(pull));

          assert.deepEqual(await given.client.diffIds(image), diffIds);
          const answers = seen().map(({ range, status, bytes }) => ({ range, status, bytes }));
          if (RESUME.has(kind)) assert.deepEqual(answers, resumed(cutsFor(kind), size));
          else assert.deepEqual([answers.length, answers[0]?.bytes], [2, cutsFor(kind)[0]]);
        });
      });
    });
  }
});
