import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import * as v from "valibot";
import { type ComposedImage, compose, type ComposePackage } from "../../../edge/compose/compose.ts";
import { DOCKER_MANIFEST, OCI_CONFIG, OCI_MANIFEST } from "../../../edge/contract/media-types.ts";
import { manifestsOf, recordTexts } from "../../../edge/compose/texts.ts";
import { InvalidName, parseImageName } from "../../../edge/contract/names.ts";
import {
  type ImageRecord,
  ImageRecordSchema,
  InvalidRecord,
  type Layer,
  type LevelRecord,
  MAX_LAYERS,
  type PackageRecord,
  RECORD_FORMAT,
} from "../../../edge/contract/records.ts";
import { Blobs, digest, layer, random, record, SCOPE, shuffled, tree } from "./sample.ts";

const madeLevel = (level: number, layers: Layer[]): LevelRecord => ({
  format: RECORD_FORMAT,
  level,
  layers,
  origins: ["other"],
});

const blobs = new Blobs();
const catalogue = new Map<string, PackageRecord>();
const known = (
  name: string,
  ...[files, fields]: [ReturnType<typeof tree>, Parameters<typeof record>[3]?]
) => catalogue.set(name, record(blobs, name, files, fields));
known("cacert", tree("etc/ssl/certs/ca-bundle.crt"), { shared: [], mainProgram: "never" });
known("iana-etc", tree("etc/protocols", "etc/services"), { shared: [] });
known("bashinteractive", tree("bin/bash", "bin/sh", "share/man/man1/bash.1"), {
  shared: ["libc", "readline"],
});
known("coreutils", tree("bin/env", "bin/ls", "share/man/man1/ls.1"), { shared: ["libc", "acl"] });
known("moreutils", tree("bin/sponge"), { shared: ["libc", "perl"] });
known("nano", tree("bin/nano"), { shared: ["libc", "ncurses"] });
known("git", tree("bin/git", "share/man/man1/git.1"), {
  shared: ["libc", "perl", "curl"],
  mainProgram: "git",
  description: "Distributed version control",
});
known("curl", tree("bin/curl"), { shared: ["libc", "curl"], mainProgram: "curl" });
known("tzdata", tree("share/zoneinfo/UTC"), { shared: [] });

interface Manifest {
  mediaType: string;
  config: { mediaType: string; digest: string; size: number };
  layers: {
    mediaType: string;
    digest: string;
    size: number;
    annotations?: Record<string, string>;
  }[];
  manifests: { digest: string; platform: object; annotations?: Record<string, string> }[];
  annotations?: Record<string, string>;
}
interface Config {
  os: string;
  architecture: string;
  created: string;
  config: { Env: string[]; Cmd?: string[]; WorkingDir: string; Labels: Record<string, string> };
  rootfs: { type: string; diff_ids: string[] };
  history: { comment: string; created: string }[];
}

function imageOf(
  name: string,
  change: (packages: ComposePackage[]) => ComposePackage[] = (packages) => packages,
): Promise<ComposedImage> {
  const request = parseImageName(name);
  const packages = request.names.map((component): ComposePackage => ({
    record: catalogue.get(component) as PackageRecord,
  }));
  return compose({ scope: SCOPE, request, packages: change(packages) }, blobs.read);
}
const json = <T>(bytes: Uint8Array | undefined): T =>
  JSON.parse(new TextDecoder().decode(bytes)) as T;
const blobOf = (image: ComposedImage, wanted: string | undefined) =>
  image.blobs.find((blob) => blob.digest === wanted);
const manifestOf = (image: ComposedImage, mediaType = OCI_MANIFEST): Manifest =>
  json(image.blobs.find((blob) => blob.mediaType === mediaType)?.bytes);
const configOf = (image: ComposedImage): Config =>
  json(blobOf(image, manifestOf(image).config.digest)?.bytes);

test("an image: shared layers once, the profile on top, everything named is there", async () => {
  const image = await imageOf("shell/git/curl");
  const [oci, docker, config] = [
    manifestOf(image),
    manifestOf(image, DOCKER_MANIFEST),
    configOf(image),
  ];
  const layers = oci.layers.map((entry) => entry.digest);
  assert.equal(new Set(layers).size, layers.length);
  for (const name of ["libc", "perl", "curl", "git", "readline", "iana-etc", "cacert"])
    assert.ok(layers.includes(layer(name).digest), name);
  assert.deepEqual(
    docker.layers.map((entry) => [entry.digest, entry.size]),
    oci.layers.map((entry) => [entry.digest, entry.size]),
  );
  assert.deepEqual(
    [docker.config.digest, docker.config.size],
    [oci.config.digest, oci.config.size],
  );
  assert.deepEqual(
    [oci.mediaType, oci.config.mediaType, oci.layers[0]?.mediaType],
    [
      OCI_MANIFEST,
      "application/vnd.oci.image.config.v1+json",
      "application/vnd.oci.image.layer.v1.tar+gzip",
    ],
  );
  assert.deepEqual(
    [docker.mediaType, docker.config.mediaType, docker.layers[0]?.mediaType, docker.annotations],
    [
      DOCKER_MANIFEST,
      "application/vnd.docker.container.image.v1+json",
      "application/vnd.docker.image.rootfs.diff.tar.gzip",
      undefined,
    ],
  );

  const stored = new Map(image.blobs.map((blob) => [blob.digest as string, blob]));
  for (const blob of image.blobs)
    assert.deepEqual([blob.digest, blob.size], [digest(blob.bytes), blob.bytes.length]);
  const made = new Set([oci.config, oci.layers.at(-1)].map((entry) => entry?.digest));
  for (const entry of [oci.config, ...oci.layers])
    assert.equal(stored.has(entry.digest), made.has(entry.digest), entry.digest);
  const profile = stored.get(layers.at(-1) ?? "");
  assert.equal(config.rootfs.diff_ids.at(-1), digest(gunzipSync(profile?.bytes ?? "")));
  assert.equal(config.rootfs.diff_ids.length, layers.length);
  assert.equal(config.history.length, layers.length);
  assert.equal(config.history[layers.indexOf(layer("perl").digest)]?.comment, "git, moreutils");
});

test("layers stand by rank, those of one rank by key, the profile last", async () => {
  // By hand, from the catalogue above: a record of n layers gives them the ranks n to 1, and a
  // layer has the highest rank that any package gives it.
  const byRank = [
    ["libc"],
    ["perl"],
    ["acl", "curl", "ncurses", "readline"],
    ["bashinteractive", "cacert", "coreutils", "git", "iana-etc", "moreutils", "nano"],
  ];
  const expected = byRank.flatMap((names) =>
    names.sort((a, b) => (layer(a).key < layer(b).key ? -1 : 1)),
  );
  const image = await imageOf("shell/git/curl");
  const layers = manifestOf(image).layers.map((entry) => entry.digest);
  const nameOf = new Map(expected.map((name) => [layer(name).digest as string, name]));
  assert.deepEqual(
    layers.map((each) => nameOf.get(each) ?? "profile"),
    [...expected, "profile"],
  );
  assert.deepEqual(
    configOf(image).rootfs.diff_ids.slice(0, -1),
    expected.map((name) => layer(name).diffId),
  );
});

/** A record with the image for each of these systems. */
const recordOf = (images: Readonly<Record<string, ComposedImage>>): ImageRecord =>
  v.parse(ImageRecordSchema, {
    format: RECORD_FORMAT,
    packageSet: SCOPE.packageSet,
    revision: SCOPE.revision,
    plan: SCOPE.plan,
    origins: Object.values(images)[0]?.origins,
    images: Object.fromEntries(
      Object.entries(images).map(([system, { image }]) => [system, image]),
    ),
    without: {},
  });
const armOf = (name: string): Promise<ComposedImage> => {
  const request = parseImageName(name);
  const scope = { ...SCOPE, system: "aarch64-linux" as const };
  const packages = request.names.map((each) => ({
    record: { ...(catalogue.get(each) as PackageRecord), system: scope.system, version: "2" },
  }));
  return compose({ scope, request, packages }, blobs.read);
};
interface Listed {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform: { readonly architecture: string };
  readonly annotations?: Record<string, string>;
}
const listedIn = ({ bytes }: { bytes: Uint8Array }): Listed[] =>
  json<{ manifests: Listed[] }>(bytes).manifests;

test("the record holds against its schema, and gives the same texts again", async () => {
  const image = await imageOf("git");
  assert.deepEqual(image.image.levels, { cacert: 0, git: 0, "iana-etc": 0 });
  const { images } = recordTexts(recordOf({ "x86_64-linux": image }));
  const texts = manifestsOf(images.get("x86_64-linux") ?? assert.fail());
  assert.deepEqual(texts, image.blobs.slice(1));
  for (const { mediaType, bytes } of texts.slice(1))
    assert.equal(json<Manifest>(bytes).mediaType, mediaType);
  assert.deepEqual(
    texts.map(({ mediaType }) => mediaType),
    [OCI_CONFIG, OCI_MANIFEST, DOCKER_MANIFEST],
  );
});

test("indexes: each platform alone and both, in one order, as OCI's index and docker's list", async () => {
  const [amd64, arm64] = [await imageOf("git"), await armOf("git")];
  const { indexes } = recordTexts(recordOf({ "aarch64-linux": arm64, "x86_64-linux": amd64 }));
  assert.deepEqual(
    [...indexes.keys()],
    ["x86_64-linux", "aarch64-linux", "x86_64-linux aarch64-linux"],
  );
  const both = indexes.get("x86_64-linux aarch64-linux") ?? assert.fail();
  for (const [list, type] of [
    [both.oci, OCI_MANIFEST],
    [both.docker, DOCKER_MANIFEST],
  ] as const) {
    const listed = listedIn(list);
    assert.deepEqual(
      listed.map(({ platform }) => platform),
      [
        { os: "linux", architecture: "amd64" },
        { os: "linux", architecture: "arm64" },
      ],
    );
    for (const [at, image] of [amd64, arm64].entries()) {
      const manifest = image.blobs.find(({ mediaType }) => mediaType === type);
      assert.deepEqual(
        [listed[at]?.digest, listed[at]?.size, listed[at]?.mediaType],
        [manifest?.digest, manifest?.size, type],
      );
    }
  }
  const { annotations } = json<Manifest>(both.oci.bytes);
  assert.equal(annotations?.["org.opencontainers.image.title"], "git");
  assert.equal(annotations?.["org.opencontainers.image.version"], undefined, "they differ in it");
  const alone = indexes.get("x86_64-linux") ?? assert.fail();
  assert.deepEqual(listedIn(alone.oci), listedIn(both.oci).slice(0, 1));
  assert.equal(
    json<Manifest>(alone.oci.bytes).annotations?.["org.opencontainers.image.version"],
    "1.0",
  );
});

/** The environment of an image of git and curl, of which the closures say this of C.UTF-8. */
const envOf = async (utf8: Readonly<Record<string, boolean>>): Promise<string[]> => {
  const { blobs: made } = await imageOf("curl/git", (packages) =>
    packages.map(({ record: { utf8: _utf8, ...own } }) => ({
      record: { ...own, ...(own.name in utf8 && { utf8: utf8[own.name] as boolean }) },
    })),
  );
  const config = made.find(({ mediaType }) => mediaType === OCI_CONFIG) ?? assert.fail();
  return json<{ config: { Env: string[] } }>(config.bytes).config.Env;
};

test("LANG is set where every C library of the image has C.UTF-8, and one has", async () => {
  assert.ok((await envOf({ git: true })).includes("LANG=C.UTF-8"));
  for (const utf8 of [{}, { git: false }, { git: true, curl: false }])
    assert.ok(!(await envOf(utf8)).some((each) => each.startsWith("LANG")), JSON.stringify(utf8));
});

test("the same bytes for every way to ask for the same packages, in any order", async () => {
  const first = await imageOf("shell/git/curl");
  for (const name of ["curl/git/shell", "git/shell/curl/git", "amd64/git/curl/cacert/nano/shell"])
    assert.deepEqual(await imageOf(name), first, name);
  for (let seed = 0; seed < 20; seed++)
    assert.deepEqual(
      await imageOf("shell/git/curl", (packages) => shuffled(packages, random(seed))),
      first,
    );
});

/** Changing this changes every image anybody pulled: raise RECORD_FORMAT with it. */
test("the bytes of format 6", async () => {
  const image = await imageOf("shell/git");
  assert.equal(
    image.blobs.find(({ mediaType }) => mediaType === OCI_MANIFEST)?.digest,
    "sha256:5b6cbf9ebeb074dea48427cf5abce8a05cf182ec8df573ca717ef7b99be6fc7e",
  );
});

test("configuration: environment, labels, platform, time", async () => {
  const config = configOf(await imageOf("git"));
  assert.deepEqual(
    [config.os, config.architecture, config.created, config.config.WorkingDir],
    ["linux", "amd64", "1970-01-01T00:00:01Z", "/"],
  );
  assert.ok(config.config.Env.includes("SSL_CERT_FILE=/etc/ssl/certs/ca-bundle.crt"));
  assert.match(
    config.config.Env.find((entry) => entry.startsWith("PATH=")) ?? "",
    /[:=]\/bin(:|$)/,
  );
  const labels = {
    "dev.firn.package-set": "starter",
    "dev.firn.packages": "cacert,git,iana-etc",
    "org.opencontainers.image.description": "Distributed version control",
    "org.opencontainers.image.revision": SCOPE.revision,
    "org.opencontainers.image.title": "git",
    "org.opencontainers.image.version": "1.0",
  };
  assert.deepEqual(config.config.Labels, labels);
  assert.deepEqual(manifestOf(await imageOf("git")).annotations, {
    ...labels,
    "org.opencontainers.image.created": "1970-01-01T00:00:01Z",
  });
  const scope = { ...SCOPE, system: "aarch64-linux" as const };
  const request = parseImageName("arm64/git");
  const packages = request.names.map((name) => ({
    record: { ...(catalogue.get(name) as PackageRecord), system: scope.system },
  }));
  assert.equal(
    configOf(await compose({ scope, request, packages }, blobs.read)).architecture,
    "arm64",
  );
});

const commands: [name: string, command: string[] | undefined][] = [
  ["shell", ["/bin/bash"]],
  ["shell/git", ["/bin/bash"]],
  ["git", ["/bin/git"]],
  ["git/tzdata", ["/bin/git"]],
  ["cacert/git", ["/bin/git"]],
  ["git/curl", undefined],
  ["tzdata", undefined],
  ["cacert", undefined],
];
for (const [name, command] of commands) {
  test(`${name} runs ${command ?? "nothing by itself"}`, async () => {
    assert.deepEqual(configOf(await imageOf(name)).config.Cmd, command);
  });
}

test("two names of one package do not take its command away", async () => {
  const vi = { ...(catalogue.get("git") as PackageRecord), name: "gitminimal" };
  const request = parseImageName("git/gitminimal");
  const packages = request.names.map((name) => ({
    record: name === vi.name ? vi : (catalogue.get(name) as PackageRecord),
  }));
  assert.deepEqual(
    configOf(await compose({ scope: SCOPE, request, packages }, blobs.read)).config.Cmd,
    ["/bin/git"],
  );
});

test("an image names every origin that it rests on, once, and the warnings of its packages", async () => {
  const { image, origins } = await imageOf("git");
  assert.deepEqual([origins, "warnings" in image], [["mine"], false]);
  const changed = await imageOf("curl/git", (packages) =>
    packages.map(({ record: { name, ...own } }) => ({
      record: {
        ...own,
        name,
        ...(name === "curl" && { origins: ["zoe", "mine"], warning: "curl is old" }),
        ...(name === "git" && { origins: ["anna"], warning: "git is old" }),
      },
    })),
  );
  assert.deepEqual(changed.origins, ["anna", "mine", "zoe"]);
  assert.deepEqual(changed.image.warnings, ["curl is old", "git is old"]);
});

test("another level brings its own layers", async () => {
  const base = catalogue.get("git") as PackageRecord;
  const coarse = layer("git and all below");
  const git = {
    ...base,
    parts: [...base.parts, { key: coarse.key, rank: 0 }],
    levels: [...base.levels, [base.parts.length]],
  };
  const swap = (made?: ComposePackage["made"]) => (packages: ComposePackage[]) =>
    packages.map((entry) =>
      entry.record.name === "git" ? { record: git, ...(made ? { made } : {}) } : entry,
    );
  const image = await imageOf("git", swap(madeLevel(1, [coarse])));
  assert.equal(image.image.levels.git, 1);
  assert.deepEqual(image.origins, ["mine", "other"], "all that the image rests on");
  assert.deepEqual(
    manifestOf(image)
      .layers.slice(0, -1)
      .map((entry) => entry.digest)
      .sort(),
    ["cacert", "iana-etc", "git and all below"].map((name) => layer(name).digest).sort(),
  );
  await assert.rejects(imageOf("git", swap(madeLevel(1, [layer("other")]))), /has not been made/);
  await assert.rejects(imageOf("git", swap(madeLevel(2, [coarse]))), /no level 2/);
});

test("zstd: an index of the gzip manifest and a marked one, whose layers may be mixed", async () => {
  const zstd = { digest: digest("git in zstd"), size: 3 };
  const withZstd = (packages: ComposePackage[]) =>
    packages.map(({ record: entry }) => ({
      record: {
        ...entry,
        layers: entry.layers.map((made) =>
          made.key === layer("git").key ? { ...made, zstd } : made,
        ),
      },
    }));
  const image = await imageOf("git", withZstd);
  const texts = recordTexts(
    recordOf({ "x86_64-linux": image, "aarch64-linux": await armOf("git") }),
  );
  const index = json<Manifest>(texts.indexes.get("x86_64-linux")?.oci.bytes);
  const [first, second, ...rest] = index.manifests;
  assert.deepEqual(
    [first?.digest, first?.annotations, rest.length],
    [image.blobs.find(({ mediaType }) => mediaType === OCI_MANIFEST)?.digest, undefined, 0],
  );
  assert.deepEqual(
    [first?.platform, second?.platform],
    [
      { architecture: "amd64", os: "linux" },
      { architecture: "amd64", os: "linux" },
    ],
  );
  assert.deepEqual(second?.annotations, { "io.github.containers.compression.zstd": "true" });
  const other = json<Manifest>(blobOf(image, second?.digest)?.bytes);
  assert.equal(other.config.digest, manifestOf(image).config.digest);
  assert.deepEqual(
    other.layers.filter(({ mediaType }) => mediaType.endsWith("+zstd")),
    [{ mediaType: "application/vnd.oci.image.layer.v1.tar+zstd", ...zstd }],
  );
  const both = listedIn(
    texts.indexes.get("x86_64-linux aarch64-linux")?.oci ?? assert.fail("no index of both"),
  );
  assert.deepEqual(
    both.map(({ platform, annotations }) => [platform.architecture, annotations !== undefined]),
    [
      ["amd64", false],
      ["arm64", false],
      ["amd64", true],
    ],
    "gzip of all platforms first",
  );
});

test("more layers than an image may have are an error that says how many", async () => {
  const shared = Array.from({ length: MAX_LAYERS - 1 }, (_, n) => `part ${n}`);
  const big = record(blobs, "git", tree("bin/git"), { shared });
  await assert.rejects(
    imageOf("git", (packages) =>
      packages.map((entry) => (entry.record.name === "git" ? { record: big } : entry)),
    ),
    (error) =>
      error instanceof InvalidName && error.message.includes(`need ${MAX_LAYERS + 3} layers`),
  );
});

const wrong: [what: string, change: Partial<PackageRecord>, message: RegExp][] = [
  ["another system", { system: "aarch64-linux" }, /for system aarch64-linux, not x86_64-linux/],
  ["another revision", { revision: "f".repeat(40) }, /for revision/],
  ["another package set", { packageSet: "channel" }, /for packageSet/],
  ["another plan", { plan: "e".repeat(64) }, /for plan/],
  ["another name", { name: "gitt" }, /the records are of/],
  ["a part that is not there", { levels: [[0, 77]] }, /lists part 77/],
  ["an empty level", { levels: [[]] }, /no level 0/],
  [
    "another's listing size",
    { listing: { ...(catalogue.get("git") as PackageRecord).listing, size: 20 } },
    /listing of package "git" is broken/,
  ],
];
for (const [what, change, message] of wrong) {
  test(`a record of ${what} makes no image`, async () => {
    await assert.rejects(
      imageOf("git", (packages) =>
        packages.map((entry) =>
          entry.record.name === "git" ? { record: { ...entry.record, ...change } } : entry,
        ),
      ),
      (error) => error instanceof InvalidRecord && message.test(error.message),
    );
  });
}

test("a listing that stands in the record is not read, and makes the same image", async () => {
  const read = await imageOf("git");
  const inRecord = await imageOf("git", (packages) =>
    packages.map(({ record }) => ({
      record: {
        ...record,
        listing: { ...record.listing, digest: digest("not in the bucket") },
        listingText: blobs.text(record.listing.digest),
      },
    })),
  );
  assert.deepEqual(inRecord, read);
});

test("what reading throws passes through", async () => {
  const request = parseImageName("git");
  const packages = request.names.map((name) => ({ record: catalogue.get(name) as PackageRecord }));
  const trouble = new Error("bucket is down");
  await assert.rejects(
    compose({ scope: SCOPE, request, packages }, () => Promise.reject(trouble)),
    trouble,
  );
});
