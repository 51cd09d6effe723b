/**
 * Images for several platforms, by the real Worker with a farm and connected origins: which
 * platforms an index lists, which of them a client waits for, and what is said of the others.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { after, afterEach, before, describe, test } from "node:test";
import {
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  OCI_INDEX,
  OCI_MANIFEST,
} from "../../../../edge/contract/media-types.ts";
import type { Digest } from "../../../../edge/contract/digest.ts";
import { blobPath, packagePath } from "../../../../edge/contract/keys.ts";
import type { System } from "../../../../edge/contract/records.ts";
import { findOriginRecords } from "../../../../edge/operator/origin-records.ts";
import { until } from "../../../harness/until.ts";
import {
  type OriginOptions,
  startOrigin,
  type Stock,
  type TestOrigin,
} from "../../registry/origin.ts";
import {
  type Answer,
  digestOf,
  errorsOf,
  imagesOf,
  makePackage,
  OTHER_ORIGIN,
  putBase,
  putPackage,
  putTag,
  REVISION,
  SCOPE,
  send,
  startTestEdge,
  type TestEdge,
} from "../../registry/support.ts";

const ARM = { ...SCOPE, system: "aarch64-linux" as const };
const AMD64: System = "x86_64-linux";
const ARM64: System = "aarch64-linux";
const BOTH = { SYSTEMS: `${AMD64},${ARM64}` };

/** As docker sends them, joined by Node into one header. */
const INDEXES = [OCI_INDEX, DOCKER_MANIFEST_LIST, OCI_MANIFEST, DOCKER_MANIFEST].join(", ");
const SINGLE = [OCI_MANIFEST, DOCKER_MANIFEST].join(", ");
const docker = (architecture: string): string =>
  `docker/28.0.4 go/go1.23.7 git-commit/6430e49 kernel/6.1.0 os/linux arch/${architecture} ` +
  "UpstreamClient(Docker-Client/28.0.4 \\(darwin\\))";

interface Listed {
  readonly mediaType: string;
  readonly digest: string;
  readonly platform: { readonly architecture: string };
}
const listed = ({ body }: Answer): Listed[] =>
  (JSON.parse(String(body)) as { manifests: Listed[] }).manifests;
const platforms = (answer: Answer): string[] => {
  assert.equal(answer.status, 200, String(answer.body));
  assert.equal(answer.headers["docker-content-digest"], digestOf(answer.body));
  return listed(answer).map(({ platform }) => platform.architecture);
};
const warning = ({ headers }: Answer): string => String(headers["warning"] ?? "");

let firn: TestEdge;
let origins: TestOrigin[] = [];
afterEach(async () => {
  await Promise.all(origins.map((origin) => origin.stop()));
  origins = [];
});
const connect = async (options: OriginOptions): Promise<TestOrigin> => {
  const origin = await startOrigin(firn, options);
  origins.push(origin);
  return origin;
};
const get = (path: string, accept = INDEXES, userAgent = "test"): Promise<Answer> =>
  send("GET", `${firn.url}/v2/${path}`, { Accept: accept, "User-Agent": userAgent });
const pull = (name: string, accept?: string, userAgent?: string): Promise<Answer> =>
  get(`${name}/manifests/latest`, accept, userAgent);
/** Another edge at the same bucket, which has seen nothing, and has no origin. */
async function elsewhere(look: (edge: TestEdge) => Promise<void>): Promise<void> {
  const edge = await startTestEdge({ ...BOTH, TAG_FRESH: "86400" }, { bucket: firn.edge.s3 });
  try {
    await look(edge);
  } finally {
    await edge.stop();
  }
}
const getFrom = ({ url }: TestEdge, path: string): Promise<Answer> =>
  send("GET", `${url}/v2/${path}`, { Accept: INDEXES });
/** The config's architecture of a manifest of the image. */
async function architectureOf(name: string, { body }: Pick<Answer, "body">): Promise<string> {
  const { config } = JSON.parse(String(body)) as { config: { digest: string } };
  const blob = await get(`${name}/blobs/${config.digest}`);
  assert.equal(blob.status, 200, String(blob.body));
  return (JSON.parse(String(blob.body)) as { architecture: string }).architecture;
}
/** Packages that an origin was given to build, `<system> <name>`. */
const built = ({ jobs }: TestOrigin): string[] =>
  jobs.flat().flatMap((item) => (item.kind === "package" ? [`${item.system} ${item.name}`] : []));

async function startPlatforms(env: Readonly<Record<string, string>>): Promise<void> {
  firn = await startTestEdge({ PLATFORM_WAIT: "0", TAG_FRESH: "86400", ...env });
  await putTag(firn.bucket, "latest", REVISION);
  await putBase(firn.bucket);
  await putBase(firn.bucket, ARM);
}
const putBoth = async (name: string): Promise<void> => {
  for (const scope of [SCOPE, ARM]) await putPackage(firn.bucket, { name, scope });
};

describe("packages that are there for both systems", () => {
  before(async () => {
    await startPlatforms({ ...BOTH, BUILD_WAIT: "120", PLATFORM_WAIT: "120" });
    await putBoth("git");
  });
  after(() => firn?.stop());

  test("a tag answers OCI's index or docker's list, by Accept; each child is what it says", async () => {
    for (const [accept, type, child] of [
      [INDEXES, OCI_INDEX, OCI_MANIFEST],
      [`${DOCKER_MANIFEST_LIST}, ${DOCKER_MANIFEST}`, DOCKER_MANIFEST_LIST, DOCKER_MANIFEST],
    ] as const) {
      const answer = await pull("git", accept);
      assert.equal(answer.headers["content-type"], type);
      assert.deepEqual(platforms(answer), ["amd64", "arm64"]);
      assert.equal(warning(answer), "");
      for (const { digest, mediaType, platform } of listed(answer)) {
        assert.equal(mediaType, child);
        const manifest = await get(`git/manifests/${digest}`);
        assert.equal(digestOf(manifest.body), digest);
        assert.equal(manifest.headers["content-type"], child);
        assert.equal(await architectureOf("git", manifest), platform.architecture);
      }
    }
  });

  test("a crowd that pulls 105 new images at once, for both platforms: each has its turn", async () => {
    const names = Array.from({ length: 15 }, (_, at) => `crowd${at}`);
    await Promise.all(names.map(putBoth));
    const pairs = names.flatMap((a, at) => names.slice(at + 1).map((b) => `${a}/${b}`));
    const answers = await Promise.all(pairs.map((name) => pull(name)));
    const statuses = Map.groupBy(answers, ({ status }) => status);
    assert.deepEqual([...statuses.keys()], [200], `of ${pairs.length} images`);
    for (const answer of answers) assert.deepEqual(platforms(answer), ["amd64", "arm64"]);
  });

  test("the same bytes whoever asks", async () => {
    const [first, ...others] = await Promise.all(
      ["test", docker("amd64"), docker("arm64"), "containerd/v2.0.0"].map((userAgent) =>
        pull("git", INDEXES, userAgent),
      ),
    );
    for (const other of others) assert.deepEqual(other.body, first?.body);
    assert.equal(first?.headers["vary"], "Accept");
  });

  test("both pins of a name are children of the index; their digests are found by every name", async () => {
    const children = listed(await pull("git")).map(({ digest }) => digest);
    const pinned = await Promise.all(["amd64/git", "git/arm64"].map((name) => pull(name)));
    assert.deepEqual(
      pinned.map(({ headers }) => headers["content-type"]),
      [OCI_MANIFEST, OCI_MANIFEST],
    );
    assert.deepEqual(
      pinned.map(({ body }) => digestOf(body)),
      children,
    );
    await elsewhere(async (edge) => {
      for (const digest of children)
        assert.equal((await getFrom(edge, `arm64/git/manifests/${digest}`)).status, 200);
    });
  });

  test("who takes no index gets the manifest that its User-Agent tells, or the default", async () => {
    for (const [userAgent, expected] of [
      [docker("amd64"), "amd64"],
      [docker("arm64"), "arm64"],
      [docker("riscv64"), "amd64"],
      ["containers/5.30 (github.com/containers/image)", "amd64"],
      ["curl/8.0 arch/arm6", "amd64"],
      // Again, from the isolate's memory of answers.
      [docker("arm64"), "arm64"],
      [docker("amd64"), "amd64"],
    ] as const)
      for (const accept of [SINGLE, "*/*"]) {
        const answer = await pull("git", accept, userAgent);
        assert.equal(answer.headers["vary"], "Accept, User-Agent");
        assert.equal(await architectureOf("git", answer), expected, `${userAgent}, ${accept}`);
      }
  });

  test("index and children are found by digest elsewhere, where nobody pulled", async () => {
    const index = await pull("git");
    const list = await pull("git", DOCKER_MANIFEST_LIST);
    await elsewhere(async (edge) => {
      for (const { body, headers } of [index, list]) {
        const again = await getFrom(edge, `git/manifests/${digestOf(body)}`);
        assert.deepEqual(again.body, body);
        assert.equal(again.headers["content-type"], headers["content-type"]);
      }
    });
    assert.equal((await imagesOf(firn.bucket, "git")).length, 1, "one record");
  });

  test("pulled one by one by separate edges: the index of both is found as well", async () => {
    await putBoth("jq");
    const pulledAlone = async (name: string): Promise<readonly [string, string]> => {
      await elsewhere(async (edge) => {
        assert.equal((await getFrom(edge, `${name}/manifests/latest`)).status, 200);
      });
      const [path = ""] = await imagesOf(firn.bucket, "jq");
      const text = await new Response((await firn.bucket.get(path))?.body).text();
      await firn.bucket.delete(path);
      return [path, text];
    };
    for (const [path, text] of [await pulledAlone("arm64/jq"), await pulledAlone("amd64/jq")])
      await firn.bucket.put(path, text, { contentType: "application/json", ifAbsent: true });
    const index = await pull("jq");
    assert.deepEqual(platforms(index), ["amd64", "arm64"]);
    assert.equal((await imagesOf(firn.bucket, "jq")).length, 3);
    await elsewhere(async (edge) => {
      assert.equal((await getFrom(edge, `jq/manifests/${digestOf(index.body)}`)).status, 200);
    });
  });
});

describe("one system", () => {
  before(async () => {
    await startPlatforms({ SYSTEMS: AMD64 });
    await putBoth("git");
  });
  after(() => firn?.stop());

  test("is a plain manifest, with a Warning for another machine", async () => {
    const other = await pull("git", INDEXES, docker("arm64"));
    assert.equal(other.headers["content-type"], OCI_MANIFEST);
    assert.match(
      warning(other),
      /this image is for linux\/amd64, and this machine is linux\/arm64/,
    );
    for (const userAgent of [docker("amd64"), "test"])
      assert.equal(warning(await pull("git", INDEXES, userAgent)), "");
    assert.equal(warning(await pull("amd64/git", INDEXES, docker("arm64"))), "");
    assert.equal(await architectureOf("git", await pull("arm64/git")), "arm64");
  });
});

describe("built for a pull", () => {
  before(() => startPlatforms(BOTH));
  after(() => firn?.stop());

  test("both systems, side by side, by one pull", async () => {
    const origin = await connect({});
    const index = await until("an index of both", async () => {
      const answer = await pull("hello", INDEXES, docker("amd64"));
      return platforms(answer).length === 2 ? answer : undefined;
    });
    assert.doesNotMatch(warning(index), /not there/);
    assert.deepEqual(built(origin).sort(), [`${ARM64} hello`, `${AMD64} hello`]);
  });

  test("nobody waits for the other platform; it is made, and the first index stays", async () => {
    const release = Promise.withResolvers<void>();
    const origin = await connect({
      gate: (items) =>
        items.some((item) => "system" in item && item.system === ARM64)
          ? release.promise
          : Promise.resolve(),
    });
    const early = await pull("slow", INDEXES, docker("amd64"));
    assert.deepEqual(platforms(early), ["amd64"]);
    assert.match(warning(early), /not available for linux\/arm64: it is being built/);
    assert.deepEqual((await pull("slow")).body, early.body);
    await elsewhere(async (edge) => {
      const found = await getFrom(edge, `slow/manifests/${digestOf(early.body)}`);
      assert.deepEqual(found.body, early.body);
    });
    release.resolve();
    const complete = await until("an index of both", async () => {
      const answer = await pull("slow");
      return platforms(answer).length === 2 ? answer : undefined;
    });
    assert.equal(warning(complete), "");
    assert.equal((await imagesOf(firn.bucket, "slow")).length, 2, "a record for each index");
    await elsewhere(async (edge) => {
      for (const { body } of [early, complete])
        assert.deepEqual((await getFrom(edge, `slow/manifests/${digestOf(body)}`)).body, body);
      assert.deepEqual((await getFrom(edge, "slow/manifests/latest")).body, complete.body);
    });
    assert.deepEqual(built(origin).sort(), [`${ARM64} slow`, `${AMD64} slow`]);
  });

  test("the machine that docker tells is the one that is waited for", async () => {
    const release = Promise.withResolvers<void>();
    await connect({
      gate: (items) =>
        items.some((item) => "system" in item && item.system === AMD64)
          ? release.promise
          : Promise.resolve(),
    });
    assert.deepEqual(platforms(await pull("graviton", INDEXES, docker("arm64"))), ["arm64"]);
    assert.deepEqual(platforms(await pull("mac", INDEXES, "podman")), ["arm64"], "any, else");
    const patient = pull("patient", INDEXES, docker("amd64"));
    await until("arm64's package", async () => {
      return (await firn.bucket.head(packagePath(ARM, "patient"))) !== null;
    });
    // So long that an answer that does not wait is seen.
    await sleep(500);
    release.resolve();
    assert.ok(platforms(await patient).includes("amd64"));
  });

  test("a package of one system only: an index of one, with the reason, and nobody tries again", async () => {
    const origin = await connect({
      stock: {
        [`${ARM64} valgrind`]: {
          reason: "unknown",
          message: "this package set has valgrind for x86_64-linux only",
        },
      },
    });
    const told = async (): Promise<Answer> => {
      const answer = await pull("valgrind", INDEXES, docker("arm64"));
      assert.deepEqual(platforms(answer), ["amd64"]);
      assert.match(warning(answer), /linux\/arm64: this package set has valgrind for x86_64-linux/);
      return answer;
    };
    const index = await until("the other system", async () => {
      const answer = await pull("valgrind", INDEXES, docker("arm64"));
      return answer.status === 200 ? answer : undefined;
    });
    const jobs = await until("the verdict is known", async () => {
      await told();
      const paths = await imagesOf(firn.bucket, "valgrind");
      return paths.some((key) => key.includes(".no-arm64.")) ? origin.jobs.length : undefined;
    });
    await elsewhere(async (edge) => {
      const answer = await getFrom(edge, "valgrind/manifests/latest");
      assert.deepEqual(answer.body, index.body);
      assert.match(warning(answer), /valgrind for x86_64-linux only/, "and not: no origin");
    });
    await told();
    assert.equal(origin.jobs.length, jobs, "no origin was asked again");
    // Failures name nobody, so whoever is revoked may have said it.
    const { found } = await findOriginRecords(firn.bucket, {
      kind: "images",
      origin: "somebody",
      since: 0,
      after: undefined,
      limit: 1_000,
    });
    assert.deepEqual(
      found.map(({ key }) => key),
      (await imagesOf(firn.bucket, "valgrind")).filter((key) => key.includes(".no-arm64.")),
    );
    const pinned = await pull("arm64/valgrind");
    assert.equal(pinned.status, 404);
    assert.match(errorsOf(pinned)[0]?.message ?? "", /valgrind for x86_64-linux only/);
    const single = await pull("valgrind", SINGLE, docker("arm64"));
    assert.equal(single.status, 404);
  });

  test("a package that is nowhere is an error, not an index of none", async () => {
    await connect({
      stock: { nothere: { reason: "unknown", message: "there is no package nothere" } },
    });
    const answer = await pull("nothere");
    assert.equal(answer.status, 404);
    assert.match(errorsOf(answer)[0]?.message ?? "", /there is no package nothere/);
    assert.deepEqual(await imagesOf(firn.bucket, "nothere"), []);
  });

  test("no origin for a system: an index of the other at once; complete when there is one", async () => {
    await connect({ systems: [AMD64] });
    const early = await pull("alone", INDEXES, docker("amd64"));
    assert.deepEqual(platforms(early), ["amd64"]);
    assert.match(warning(early), /linux\/arm64: no origin for aarch64-linux is connected/);
    // An arm64 machine gets what there is, since nobody knows for which platform it asks.
    assert.deepEqual(platforms(await pull("alone", INDEXES, docker("arm64"))), ["amd64"]);
    await connect({ systems: [ARM64], as: OTHER_ORIGIN });
    await until("an index of both", async () => {
      const answer = await pull("alone");
      return platforms(answer).length === 2 ? answer : undefined;
    });
  });
});

describe("what the bucket has lost of either platform", () => {
  before(() => startPlatforms({ ...BOTH, PLATFORM_WAIT: "15" }));
  after(() => firn?.stop());
  const stock: Record<string, Stock[string]> = {
    [`${ARM64} known`]: { levels: [["libc", "known for arm64"]] },
  };
  interface Manifest {
    readonly layers: readonly { readonly digest: Digest }[];
  }
  /** Layers of each platform's image, profile last, by the name without a platform. */
  const layersOf = async (name: string): Promise<Digest[][]> =>
    Promise.all(
      listed(await pull(name)).map(async ({ digest }) => {
        const { body } = await get(`${name}/manifests/${digest}`);
        return (JSON.parse(String(body)) as Manifest).layers.map((layer) => layer.digest);
      }),
    );

  test("is made again, by packages of that platform alone", async () => {
    const origin = await connect({ stock });
    const [, arm = []] = await layersOf("known");
    const own = (await makePackage(firn.bucket, { name: "known", levels: [["known for arm64"]] }))
      .layers[0]?.digest;
    assert.ok(own !== undefined && arm.includes(own));
    await firn.bucket.delete(blobPath(own));
    const blob = await get(`known/blobs/${own}`);
    assert.equal(blob.status, 200, String(blob.body));
    assert.equal(digestOf(blob.body), own);
    assert.deepEqual(
      built(origin).toSorted(),
      [`${ARM64} known`, `${ARM64} known`, `${AMD64} known`].toSorted(),
    );
  });

  test("the profile layer of either platform is made again elsewhere", async () => {
    await connect({ stock });
    const profiles = (await layersOf("known")).map((layers) => layers.at(-1));
    await elsewhere(async (edge) => {
      for (const digest of profiles) {
        const { status, body } = await getFrom(edge, `known/blobs/${digest}`);
        assert.equal(status, 200);
        assert.equal(digestOf(body), digest);
      }
    });
  });

  test("with other bytes: every record that names it goes, and a pull by tag is whole", async () => {
    await connect({ stock });
    for (const name of ["arm64/repacked", "repacked"]) assert.equal((await pull(name)).status, 200);
    const before = await imagesOf(firn.bucket, "repacked");
    assert.equal(before.length, 2, "one for arm64, one for both");
    const record = await makePackage(firn.bucket, { name: "repacked" });
    const own = record.layers.at(-1)?.digest as Digest;
    await firn.bucket.delete(blobPath(own));
    stock["repacked"] = { compression: 1 };
    assert.equal((await get(`repacked/blobs/${own}`)).status, 404);
    assert.deepEqual(await imagesOf(firn.bucket, "repacked"), []);
    await until("another index of both", async () => {
      const layers = await layersOf("repacked");
      // The other platform's record names it as well, and is withdrawn when its layer is asked for.
      if (layers.some((each) => each.includes(own))) await get(`repacked/blobs/${own}`);
      return layers.length === 2 && layers.every((each) => !each.includes(own)) ? true : undefined;
    });
  });
});

describe("PLATFORM_WAIT", () => {
  before(() => startPlatforms({ ...BOTH, PLATFORM_WAIT: "15" }));
  after(() => firn?.stop());

  test("a cold pull has both: the other platform comes within the limit", async () => {
    await connect({});
    const index = await pull("hello", INDEXES, docker("amd64"));
    assert.deepEqual(platforms(index), ["amd64", "arm64"]);
    assert.match(
      warning(index),
      /hello was built for linux\/amd64 for this pull.*hello was built for linux\/arm64/,
    );
  });

  test("a package counts once, for both systems", async () => {
    await firn.stop();
    await startPlatforms({
      ...BOTH,
      PLATFORM_WAIT: "15",
      LIMIT_PACKAGES: "2/3600",
      CLIENT_ADDRESS_HEADER: "X-Client",
    });
    await connect({});
    const pullAs = (client: string, name: string): Promise<Answer> =>
      send("GET", `${firn.url}/v2/${name}/manifests/latest`, {
        Accept: INDEXES,
        "X-Client": client,
      });
    for (const name of ["one", "two"])
      assert.deepEqual(platforms(await pullAs("192.0.2.1", name)), ["amd64", "arm64"]);
    const third = await pullAs("192.0.2.1", "three");
    assert.equal(third.status, 429);
    assert.match(errorsOf(third)[0]?.message ?? "", /2 new packages/);
  });
});
