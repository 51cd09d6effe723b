/**
 * Layers with zstd beside gzip: an index that old clients survive, the same gzip image as without,
 * and what each real client makes of it. Debian 12's docker, podman and skopeo take the index's
 * first manifest, the gzip one, and so does containerd, though its ctr fetches both; newer
 * containers/image takes the zstd one by its annotation. Both must run.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { execa } from "execa";
import { DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from "../../edge/contract/media-types.ts";
import { unavailable } from "../harness/available.ts";
import { type Client, CLIENTS } from "../harness/clients/index.ts";
import { type Firn, firnUnavailable, startFirn } from "../harness/firn.ts";
import {
  type Descriptor,
  digestOf,
  type Manifest,
  pullBlob,
  pullImage,
  pullManifest,
} from "../harness/registry-client.ts";
import { removeTree, tempDir } from "../harness/temp.ts";
import { startProxy, type TamperingProxy } from "../origin/layers/tampering-proxy.ts";
import { BUSYBOX, SHELL, type TinySet, tinySet } from "./tiny-set.ts";

const ZSTD = { command: "zstd", debian: "zstd", purpose: "unpacks layers" };
const skip = (await firnUnavailable()) || (await unavailable([BUSYBOX, ZSTD], { root: true }));
const GZIP_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";
const ZSTD_LAYER = "application/vnd.oci.image.layer.v1.tar+zstd";
const ANNOTATION = "io.github.containers.compression.zstd";
/** What docker 20.10 and containerd send, wildcards aside. */
const EVERYTHING = [
  DOCKER_MANIFEST,
  "application/vnd.docker.distribution.manifest.list.v2+json",
  OCI_INDEX,
  OCI_MANIFEST,
].join(", ");

const ATTRIBUTES = `
  ${SHELL}
  share = name: mk name ("mkdir -p $out/share/\${name}; echo \${name} snow > $out/share/\${name}/text; "
    + "head -c 3000000 /dev/zero > $out/share/\${name}/large");
  old = share "old";
  new = share "new";
`;
/** old and what it needs are published before zstd is turned on, new after. */
const OLD = "sh/old";
const MIXED = "sh/old/new";
const COMMAND = ["cat", "/share/old/text", "/share/new/text"];
const PRINTED = "old snow\nnew snow";

interface Index {
  readonly mediaType: string;
  readonly manifests: readonly (Descriptor & {
    readonly platform: { readonly os: string; readonly architecture: string };
  })[];
}

async function pullIndex(
  url: string,
  name: string,
): Promise<{ digest: string; index: Index; gzip: string; zstd: string }> {
  const { digest, manifest } = await pullManifest(url, name, "latest", EVERYTHING);
  const index = manifest as unknown as Index;
  assert.equal(index.mediaType, OCI_INDEX, `${name} is an index`);
  assert.equal(index.manifests.length, 2);
  const [gzip, zstd] = index.manifests.map((each) => each.digest);
  return { digest, index, gzip: gzip ?? "", zstd: zstd ?? "" };
}
const manifestAt = async (url: string, name: string, digest: string): Promise<Manifest> =>
  (await pullManifest(url, name, digest)).manifest;

/** Layers that the first manifest alone has. */
const only = (one: Manifest, two: Manifest): string[] =>
  one.layers
    .map(({ digest }) => digest)
    .filter((digest) => !two.layers.some((layer) => layer.digest === digest));

describe("zstd", { skip }, () => {
  let root: string;
  let set: TinySet;
  /**
   * Two Firns of the same package set that share nothing else: one always had zstd, the other gets
   * it later.
   */
  let always: Firn;
  let later: Firn;
  let plain: { old: string; oldDocker: string };
  before(async () => {
    root = await tempDir("zstd");
    set = await tinySet(root, ATTRIBUTES);
    const options = { packageSet: set.spec, originEnv: set.originEnv };
    [always, later] = await Promise.all([
      startFirn({ ...options, edgeEnv: { ZSTD: "on" } }),
      startFirn({ ...options, edgeEnv: { ZSTD: "off" } }),
    ]);
    const { digest, manifest } = await pullManifest(later.url, OLD, "latest", EVERYTHING);
    assert.equal(manifest.mediaType, OCI_MANIFEST, "without zstd there is no index");
    assert.ok(manifest.layers.every(({ mediaType }) => mediaType === GZIP_LAYER));
    plain = {
      old: digest,
      oldDocker: (await pullManifest(later.url, OLD, "latest", DOCKER_MANIFEST)).digest,
    };
    await later.origins[0]?.stop();
    await later.restartEdge({ ZSTD: "on" });
    await later.origins[0]?.start();
  });
  after(async () => {
    await Promise.all([always?.stop(), later?.stop()]);
    await removeTree(root);
  });
  afterEach((context) => {
    if ("passed" in context && !context.passed)
      process.stderr.write(`${always.log()}\n${later.log()}\n`);
  });

  test("an index of two manifests of one image: gzip first, zstd marked", async () => {
    const { index, gzip, zstd } = await pullIndex(always.url, MIXED);
    for (const { mediaType, platform } of index.manifests)
      assert.deepEqual(
        [mediaType, platform],
        [OCI_MANIFEST, { os: "linux", architecture: "amd64" }],
      );
    assert.deepEqual(
      index.manifests.map(({ annotations }) => annotations?.[ANNOTATION]),
      [undefined, "true"],
    );

    const [first, second] = [
      await manifestAt(always.url, MIXED, gzip),
      await manifestAt(always.url, MIXED, zstd),
    ];
    assert.deepEqual(second.config, first.config, "the same image");
    assert.ok(first.layers.every(({ mediaType }) => mediaType === GZIP_LAYER));
    // The edge makes the profile, and has no zstd.
    assert.deepEqual(
      second.layers.map(({ mediaType }) => mediaType),
      first.layers.map((_, at) => (at === first.layers.length - 1 ? GZIP_LAYER : ZSTD_LAYER)),
    );
    const { config } = await pullImage(always.url, MIXED, gzip);
    for (const [at, layer] of second.layers.slice(0, -1).entries()) {
      const tar = await execa("zstd", ["--decompress", "--stdout"], {
        input: await pullBlob(always.url, MIXED, layer),
        encoding: "buffer",
      });
      assert.equal(digestOf(tar.stdout), config.rootfs.diff_ids[at], "the same tar");
    }
  });

  test("a client that takes no index gets the gzip manifest, the same as without zstd", async () => {
    const { gzip } = await pullIndex(always.url, OLD);
    for (const accept of [OCI_MANIFEST, `${OCI_MANIFEST}, ${DOCKER_MANIFEST}`, "*/*"]) {
      assert.deepEqual(
        [accept, (await pullManifest(always.url, OLD, "latest", accept)).digest],
        [accept, gzip],
      );
    }
    assert.deepEqual(
      {
        old: gzip,
        oldDocker: (await pullManifest(always.url, OLD, "latest", DOCKER_MANIFEST)).digest,
      },
      plain,
    );
  });

  test("turned on later: what was pulled stays, and its packages join new ones with zstd", async () => {
    assert.equal((await pullManifest(later.url, OLD, "latest", EVERYTHING)).digest, plain.old);
    const { gzip, zstd } = await pullIndex(later.url, MIXED);
    assert.equal(
      gzip,
      (await pullIndex(always.url, MIXED)).gzip,
      "the gzip image is the same, whatever has zstd",
    );
    const types = (await manifestAt(later.url, MIXED, zstd)).layers.map(
      ({ mediaType }) => mediaType,
    );
    assert.equal(types.filter((type) => type === ZSTD_LAYER).length, 1, "new's layer alone");
  });

  test("another Firn that always had zstd makes the same index", async () => {
    const other = await startFirn({
      packageSet: set.spec,
      originEnv: set.originEnv,
      edgeEnv: { ZSTD: "on" },
    });
    try {
      await pullIndex(other.url, OLD);
      assert.equal(
        (await pullIndex(other.url, MIXED)).digest,
        (await pullIndex(always.url, MIXED)).digest,
      );
    } finally {
      await other.stop();
    }
  });

  for (const kind of CLIENTS) {
    describe(kind.name, async () => {
      const missing = await unavailable(kind.needs, { root: true });
      let client: Client;
      const proxies: TamperingProxy[] = [];
      before(async () => {
        if (missing === false) client = await kind.open();
      });
      after(async () => {
        await client?.close();
        await Promise.all(proxies.map((proxy) => proxy.stop()));
      });
      /**
       * Pulls through a proxy that sees what the client fetches, and runs. Returns the digests of
       * the blobs that it fetched.
       */
      const runs = async (url: string, reference: string): Promise<Set<string>> => {
        const proxy = await startProxy(url);
        proxies.push(proxy);
        const image = `${new URL(proxy.origin).host}/${reference}`;
        await client.pull(image);
        const { exitCode, stdout, stderr } = await client.run(image, COMMAND);
        assert.deepEqual({ exitCode, stdout }, { exitCode: 0, stdout: PRINTED }, stderr);
        return new Set(
          proxy.seen.flatMap(
            (request) => /^GET .*\/blobs\/(sha256:[0-9a-f]{64})/.exec(request)?.[1] ?? [],
          ),
        );
      };

      for (const [title, firn] of [
        ["every package with zstd", () => always],
        ["zstd and gzip mixed", () => later],
      ] as const) {
        test(`runs the image: ${title}`, { skip: missing }, async (context) => {
          const { url } = firn();
          const { gzip, zstd } = await pullIndex(url, MIXED);
          const [first, second] = [
            await manifestAt(url, MIXED, gzip),
            await manifestAt(url, MIXED, zstd),
          ];
          const fetched = await runs(url, MIXED);
          const took = {
            gzip: only(first, second).some((digest) => fetched.has(digest)),
            zstd: only(second, first).some((digest) => fetched.has(digest)),
          };
          context.diagnostic(
            `${kind.name} ${took.zstd ? (took.gzip ? "takes both" : "takes zstd") : "takes gzip"}`,
          );
          // docker 20.10 could not unpack it. ctr fetches every manifest of its platform, and
          // unpacks the first.
          if (kind.name === "docker") assert.ok(!took.zstd);
          if (kind.name !== "containerd")
            assert.ok(!took.gzip || !took.zstd, "layers of one manifest only");
        });
      }

      // docker learned zstd after 20.10, umoci never.
      if (kind.name === "containerd" || kind.name === "podman") {
        test("runs the zstd manifest, asked for by its digest", { skip: missing }, async () => {
          const { zstd } = await pullIndex(always.url, MIXED);
          const layers = (await manifestAt(always.url, MIXED, zstd)).layers.filter(
            ({ mediaType }) => mediaType === ZSTD_LAYER,
          );
          await client.close();
          client = await kind.open();
          const fetched = await runs(always.url, `${MIXED}@${zstd}`);
          assert.ok(
            layers.length > 0 && layers.every(({ digest }) => fetched.has(digest)),
            "zstd blobs were fetched",
          );
        });
      }
    });
  }
});
