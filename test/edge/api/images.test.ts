/** What the API tells of images: before and after they are pulled, and of two side by side. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as v from "valibot";
import { closureChanges, packageChanges } from "../../../edge/api/changes.ts";
import {
  type DiffAnswer,
  DiffSchema,
  FailuresSchema,
  type ImageView,
  ImageViewSchema,
  type PlatformView,
} from "../../../edge/contract/api.ts";
import { hashPassword } from "../../../edge/contract/account.ts";
import { startOrigin } from "../registry/origin.ts";
import {
  errorsOf,
  putBase,
  putPackage,
  putRevision,
  putShell,
  putTag,
  REVISION,
  SCOPE,
  send,
  startTestEdge,
  storePath,
  type TestEdge,
} from "../registry/support.ts";
import { until } from "../../harness/until.ts";

let firn: TestEdge;
before(async () => {
  firn = await startTestEdge();
  await putTag(firn.bucket, "latest", REVISION);
  await putBase(firn.bucket);
  await putShell(firn.bucket);
  await putPackage(firn.bucket, { name: "git", levels: [["libc", "git"]] });
  await putPackage(firn.bucket, { name: "curl", levels: [["libc", "curl"]] });
});
after(() => firn?.stop());

const ask = async (path: string): Promise<ImageView> => {
  const answer = await send("GET", `${firn.url}/api/images/${path}`);
  assert.equal(answer.status, 200, String(answer.body));
  return v.parse(v.strictObject(ImageViewSchema.entries), JSON.parse(String(answer.body)));
};
const onlyPlatform = ({ platforms }: ImageView): PlatformView => {
  const [only, ...others] = platforms;
  assert.equal(others.length, 0);
  return only ?? assert.fail("no platform");
};
const stored = async (): Promise<number> =>
  (await firn.bucket.list("images/", { limit: 1_000 })).objects.length;

test("an image that nobody pulled: its layers and their packages; looking makes nothing", async () => {
  const before = await stored();
  const view = await ask("git/curl?has=shell");
  assert.deepEqual([view.title, view.tag, view.revision], ["curl/git", "latest", REVISION]);
  const { state, exact, layers, size, client, build, manifests, packages } = onlyPlatform(view);
  assert.deepEqual([state, exact, build, manifests], ["ready", false, null, []]);
  const libc = layers?.find((layer) => layer.packages.length === 2);
  assert.deepEqual(libc?.packages, ["curl", "git"]);
  assert.deepEqual(layers?.at(-1)?.own, true);
  assert.equal(layers?.at(-1)?.digest, null);
  assert.equal(
    size,
    layers?.reduce((sum, layer) => sum + layer.size, 0),
  );
  // shell has libc, cacert and iana-etc as well: git, curl and the image's own layer are new.
  assert.deepEqual([client?.has, client?.layers], ["shell", 3]);
  assert.deepEqual(
    packages.map(({ name, requested, state, version }) => [name, requested, state, version]),
    [
      ["cacert", false, "built", "1.0"],
      ["curl", true, "built", "1.0"],
      ["git", true, "built", "1.0"],
      ["iana-etc", false, "built", "1.0"],
    ],
  );
  assert.equal(await stored(), before);
});

test("the closure: every store path, whose it is, what it refers to, and which layer has it", async () => {
  const { layers, closure, unpacked } = onlyPlatform(await ask("git/curl?closure=1"));
  const paths = closure ?? assert.fail("no closure");
  const at = (name: string): number => paths.findIndex(({ path }) => path === storePath(name));
  assert.equal(paths.length, 5);
  assert.equal(unpacked, 5_000);
  assert.deepEqual(paths[at("git")]?.packages, ["git"]);
  assert.deepEqual(paths[at("git")]?.references, [at("libc")]);
  assert.deepEqual(
    layers?.map((layer) => layer.paths?.map((each) => paths[each]?.path)),
    layers?.map(({ own, packages }) =>
      own ? [] : [storePath(packages.length === 2 ? "libc" : (packages[0] ?? ""))],
    ),
  );
  assert.deepEqual(
    layers?.map((layer) => layer.unpacked),
    layers?.map(({ own }) => (own ? null : 1_000)),
    "no closure tells how large links are",
  );
  const without = onlyPlatform(await ask("git/curl"));
  assert.deepEqual([without.closure, without.unpacked], [undefined, 5_000]);
});

test("an image that was pulled: its digests and sizes are those of the manifest", async () => {
  const manifest = await send("GET", `${firn.url}/v2/shell/git/manifests/latest`);
  assert.equal(manifest.status, 200);
  const { layers: told } = JSON.parse(String(manifest.body)) as {
    layers: { digest: string; size: number }[];
  };
  const { state, exact, layers, manifests } = onlyPlatform(await ask("shell/git"));
  assert.deepEqual([state, exact], ["made", true]);
  assert.deepEqual(
    layers?.map(({ digest, size }) => [digest, size]),
    told.map(({ digest, size }) => [digest, size]),
  );
  const digests = manifests.map(({ digest }) => String(digest));
  assert.ok(digests.includes(String(manifest.headers["docker-content-digest"])));
});

test("packages that must be built, and the address of the log that their build will have", async () => {
  const origin = await startOrigin(firn);
  const { state, layers, build, packages } = onlyPlatform(await ask("git/hello"));
  assert.deepEqual([state, layers], ["unbuilt", null]);
  assert.deepEqual(build?.packages, ["hello"]);
  assert.equal(packages.find(({ name }) => name === "hello")?.state, "unbuilt");

  assert.deepEqual(origin.jobs.flat(), [], "nothing was asked for by looking");
  const pulled = await send("GET", `${firn.url}/v2/git/hello/manifests/latest`);
  assert.equal(pulled.status, 200);
  assert.match(String(pulled.headers["warning"]), new RegExp(`${build?.url}`));
  await origin.stop();
  assert.equal(onlyPlatform(await ask("git/hello")).state, "made");
});

test("a package that does not exist, with the nearest names", async () => {
  const revision = "a".repeat(40);
  await putRevision(firn.bucket, revision);
  const origin = await startOrigin(firn, { names: { "": ["git", "gitea"] } });
  assert.equal((await send("GET", `${firn.url}/v2/gti/manifests/${revision}`)).status, 404);
  await origin.stop();
  const { state, packages } = onlyPlatform(await ask(`gti?tag=${revision}`));
  assert.equal(state, "unknown");
  const gti = packages.find(({ name }) => name === "gti");
  assert.deepEqual([gti?.state, gti?.nearest?.[0]], ["unknown", "git"]);
});

test("a platform that the name says, or the query", async () => {
  assert.equal(onlyPlatform(await ask("arm64/git")).platform, "linux/arm64");
  assert.equal(onlyPlatform(await ask("git?platform=linux/arm64")).system, "aarch64-linux");
});

test("where the registry serves two platforms: both, and the index of those that are made", async () => {
  const two = await startTestEdge({ SYSTEMS: "x86_64-linux,aarch64-linux", PLATFORM_WAIT: "0" });
  try {
    await putTag(two.bucket, "latest", REVISION);
    for (const system of ["x86_64-linux", "aarch64-linux"] as const) {
      await putBase(two.bucket, { ...SCOPE, system });
      await putPackage(two.bucket, { name: "git", scope: { ...SCOPE, system } });
    }
    const look = async (): Promise<ImageView> =>
      JSON.parse(String((await send("GET", `${two.url}/api/images/git`)).body)) as ImageView;
    const before = await look();
    assert.deepEqual(
      before.platforms.map(({ platform, state }) => [platform, state]),
      [
        ["linux/amd64", "ready"],
        ["linux/arm64", "ready"],
      ],
    );
    assert.deepEqual(before.indexes, []);
    const accept = "application/vnd.oci.image.index.v1+json";
    const pulled = await send("GET", `${two.url}/v2/git/manifests/latest`, { accept });
    assert.equal(pulled.status, 200, String(pulled.body));
    const { indexes } = await look();
    assert.ok(
      indexes.some(({ digest }) => digest === pulled.headers["docker-content-digest"]),
      JSON.stringify(indexes),
    );
  } finally {
    await two.stop();
  }
});

for (const [path, status, message] of [
  ["Git", 400, /has capitals/],
  ["git?tag=nonsense", 404, /the tag "nonsense" is unknown/],
  [`git?tag=${"9".repeat(40)}`, 404, /is unknown/],
  ["git?has=UPPER", 400, /has capitals/],
  ["git?closure=yes", 400, /^closure must be 0 or 1$/],
  ["pkgsstatic.git", 403, /policy denies/],
  ["git?has=pkgsstatic.git", 403, /policy denies/],
] as const)
  test(`${status}: ${path.slice(0, 24)}`, async () => {
    const answer = await send("GET", `${firn.url}/api/images/${path}`);
    assert.equal(answer.status, status, String(answer.body));
    assert.match(errorsOf(answer)[0]?.message ?? "", message);
  });

const compare = async (query: string): Promise<DiffAnswer> => {
  const answer = await send("GET", `${firn.url}/api/diff?${query}`);
  assert.equal(answer.status, 200, String(answer.body));
  return v.parse(v.strictObject(DiffSchema.entries), JSON.parse(String(answer.body)));
};

const item = (name: string, version: string) => ({ name, version, id: version });
/** A store path of that name and version; `build` gives it another hash. */
const path = (name: string, build = "") => ({
  path: storePath(build + name).replace(build + name, name),
  size: 5,
});

describe("two images", () => {
  test("of other packages: what comes and goes, and what is moved", async () => {
    const { packages, moved, kept } = await compare("from=git&to=curl");
    assert.deepEqual(packages, {
      added: [{ name: "curl", version: "1.0" }],
      removed: [{ name: "git", version: "1.0" }],
      changed: [],
    });
    // libc, cacert and iana-etc stay; curl and the image's own layer are fetched.
    assert.deepEqual([moved.layers, kept.layers], [2, 3]);
  });

  test("one name at two revisions", async () => {
    const revision = "b".repeat(40);
    const scope = { ...SCOPE, revision };
    await putRevision(firn.bucket, revision);
    await putBase(firn.bucket, scope);
    await putPackage(firn.bucket, { name: "git", scope, levels: [["libc", "newer-git"]] });
    const { from, to, moved } = await compare(`from=git&to=git:${revision}`);
    assert.deepEqual([from.revision, to.revision], [REVISION, revision]);
    assert.equal(moved.layers, 2);
  });

  for (const [query, status, message] of [
    ["from=git", 400, /^to is missing$/],
    ["from=git&to=git:-", 404, /not a valid tag/],
    ["from=git&to=arm64/git", 404, /is not built/],
    [`from=git&to=gti:${"a".repeat(40)}`, 404, /^there is no package gti \(nearest: git\b/],
    ["from=git&to=unheard", 404, /not built yet \(missing: unheard\)/],
  ] as const)
    test(`${status}: ${query}`, async () => {
      const answer = await send("GET", `${firn.url}/api/diff?${query}`);
      assert.equal(answer.status, status, String(answer.body));
      assert.match(errorsOf(answer)[0]?.message ?? "", message);
    });

  test("packages that changed their version", () => {
    assert.deepEqual(packageChanges([item("git", "1")], [item("git", "2")]).changed, [
      { name: "git", from: "1", to: "2" },
    ]);
  });

  test("store paths: other versions, rebuilt ones, and two versions of one name", () => {
    const changes = closureChanges(
      [path("glibc-2.40"), path("zlib-1.3"), path("old-1"), path("ssl-1.1"), path("same-1")],
      [
        path("glibc-2.41"),
        path("zlib-1.3", "again"),
        path("ssl-3.0"),
        path("ssl-3.1"),
        path("same-1"),
      ],
    );
    assert.deepEqual(changes, {
      added: [{ name: "ssl-3.1", size: 5 }],
      removed: [{ name: "old-1", size: 5 }],
      changed: [
        { name: "glibc", from: "2.40", to: "2.41" },
        { name: "ssl", from: "1.1", to: "3.0" },
      ],
      rebuilt: ["zlib-1.3"],
    });
  });
});

test("failures of packages are told, without the origin, and without origins' own troubles", async () => {
  const origin = await startOrigin(firn, {
    stock: {
      broken: { reason: "failed", message: "builder failed with exit code 2" },
      unlucky: { reason: "error", message: "the disk of /var/lib/firn is full" },
    },
  });
  await send("GET", `${firn.url}/v2/broken/manifests/latest`);
  await send("GET", `${firn.url}/v2/unlucky/manifests/latest`);
  const text = await until("the failure of broken", async () => {
    const { body } = await send("GET", `${firn.url}/api/failures`);
    return String(body).includes("broken") ? String(body) : undefined;
  });
  await origin.stop();
  const { failures } = v.parse(FailuresSchema, JSON.parse(text));
  assert.deepEqual(
    failures.map(({ name, result, message }) => [name, result, message]),
    [["broken", "failed", "builder failed with exit code 2"]],
  );
  assert.doesNotMatch(text, /origin|var\/lib/);
});

describe("who may look", () => {
  test("a private registry tells nobody anything", async () => {
    const closed = await startTestEdge({
      ACCESS: "private",
      TOKEN_KEY: "k".repeat(32),
      ACCOUNTS: JSON.stringify({ anna: { password: await hashPassword("a long password") } }),
    });
    try {
      for (const path of ["search", "images/git", "diff?from=git&to=jq", "failures", "demand"])
        assert.equal((await send("GET", `${closed.url}/api/${path}`)).status, 401, path);
      const ask = (user: string) =>
        send("GET", `${closed.url}/api/failures`, {
          authorization: `Basic ${btoa(`${user}:a long password`)}`,
        });
      assert.deepEqual([(await ask("anna")).status, (await ask("otto")).status], [200, 401]);
    } finally {
      await closed.stop();
    }
  });

  test("looks are limited for each client", async () => {
    const limited = await startTestEdge({
      LIMIT_LOOKS: "2/60",
      CLIENT_ADDRESS_HEADER: "x-client",
    });
    try {
      await putTag(limited.bucket, "latest", REVISION);
      const look = async (client: string): Promise<number> =>
        (await send("GET", `${limited.url}/api/images/git`, { "x-client": client })).status;
      assert.deepEqual([await look("a"), await look("a"), await look("b")], [200, 200, 200]);
      assert.equal(await look("a"), 429);
    } finally {
      await limited.stop();
    }
  });
});
