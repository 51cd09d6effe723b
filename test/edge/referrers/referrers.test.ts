/**
 * What refers to an image, from its closures to what clients ask for: the referrers API, artifacts
 * by digest, fallback tags, cosign's tags; the same bytes in an isolate that knows nothing.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { bundleFromJSON } from "@sigstore/bundle";
import { toSignedEntity, type TrustMaterial, Verifier } from "@sigstore/verify";
import * as fc from "fast-check";
import type { Digest } from "../../../edge/contract/digest.ts";
import { blobPath } from "../../../edge/contract/keys.ts";
import { s3Bucket } from "../../../edge/store/s3.ts";
import { startEdge } from "../../../origin/server/edge.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";
import {
  type Answer,
  digestOf,
  errorsOf,
  putBase,
  putPackage,
  putTag,
  type RequestHeaders,
  REVISION,
  SCOPE,
  send,
  storePath,
} from "../registry/support.ts";
import { bundled } from "../../harness/bundle.ts";

const INDEX = "application/vnd.oci.image.index.v1+json";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const DOCKER = "application/vnd.docker.distribution.manifest.v2+json";
const SPDX = "application/spdx+json";
const IN_TOTO = "application/vnd.in-toto+json";
const BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json";
const SIGNATURE = "application/vnd.dev.cosign.artifact.sig.v1+json";
const HOST = "registry.example.org";

interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Record<string, string>;
}
interface Artifact {
  readonly artifactType?: string;
  readonly subject?: Descriptor;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}
interface Spdx {
  readonly documentNamespace: string;
  readonly packages: readonly Record<string, unknown>[];
  readonly relationships: readonly Record<string, string>[];
  readonly hasExtractedLicensingInfos?: readonly { licenseId: string }[];
}
const parse = <T>({ body }: Answer): T => JSON.parse(String(body)) as T;

/** P-256, as `openssl genpkey` writes it. */
const { privateKey, publicKey } = generateKeyPairSync("ec", {
  namedCurve: "P-256",
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});
const SIGNED = { SIGNING_KEY: privateKey, EDGE_HOST: `other.example.org,${HOST}` };

let stateDir: string;
let edge: Awaited<ReturnType<typeof startEdge>>;
/** The same state under another Worker: an isolate that has nothing in memory. */
async function restart(env: Record<string, string> = {}): Promise<void> {
  await edge.stop();
  edge = await startEdge({ stateDir, env, module: bundled(), site: false });
}
const get = (path: string, headers?: RequestHeaders, method = "GET") =>
  send(method, `${edge.url}/v2/${path}`, headers);

before(async () => {
  stateDir = await tempDir("referrers");
  edge = await startEdge({ stateDir, env: {}, module: bundled(), site: false });
  const bucket = s3Bucket(edge.s3);
  await putBase(bucket);
  await putTag(bucket, "latest", REVISION);
  await putPackage(bucket, {
    name: "curl",
    facts: {
      homepage: "https://curl.se/",
      licenses: [{ spdxId: "curl", name: "curl License" }],
      description: "transfers data",
    },
  });
  await putPackage(bucket, {
    name: "git",
    facts: { licenses: [{ spdxId: "GPL-2.0-only" }, { name: "A licence; of ours" }] },
  });
});
after(async () => {
  await edge.stop();
  await removeTree(stateDir);
});

/** Digests of the manifests of an image, by type. */
async function pull(name: string): Promise<Record<"oci" | "docker", Digest>> {
  const [oci, docker] = await Promise.all(
    [MANIFEST, DOCKER].map(async (Accept) => {
      const answer = await get(`${name}/manifests/latest`, { Accept });
      assert.equal(answer.status, 200, String(answer.body));
      return digestOf(answer.body);
    }),
  );
  assert.ok(oci && docker && oci !== docker);
  return { oci, docker };
}

async function list(name: string, digest: Digest, query = ""): Promise<readonly Descriptor[]> {
  const answer = await get(`${name}/referrers/${digest}${query}`);
  assert.equal(answer.status, 200, String(answer.body));
  assert.equal(answer.headers["content-type"], INDEX);
  return parse<{ manifests: Descriptor[] }>(answer).manifests;
}

/** What kinds of artifacts refer to a manifest of curl. */
const types = async (of: Digest) =>
  new Set((await list("curl", of)).map(({ artifactType }) => artifactType));

/** An artifact's manifest, checked as a client does. */
async function artifact(name: string, { digest, size }: Descriptor): Promise<Artifact> {
  const answer = await get(`${name}/manifests/${digest}`, { Accept: MANIFEST });
  assert.equal(answer.status, 200, String(answer.body));
  assert.equal(answer.headers["content-type"], MANIFEST);
  assert.deepEqual([digestOf(answer.body), answer.body.length], [digest, size]);
  return parse<Artifact>(answer);
}

async function blob(name: string, { digest, size }: Descriptor): Promise<Buffer> {
  const answer = await get(`${name}/blobs/${digest}`);
  assert.equal(answer.status, 200, String(answer.body));
  assert.deepEqual([digestOf(answer.body), answer.body.length], [digest, size]);
  return answer.body;
}

/** The one layer of the one artifact of this type. */
async function only(name: string, digest: Digest, type: string): Promise<Buffer> {
  const [first, ...others] = (await list(name, digest)).filter(
    ({ artifactType }) => artifactType === type,
  );
  assert.ok(first && others.length === 0, type);
  const { layers } = await artifact(name, first);
  assert.equal(layers.length, 1);
  return blob(name, layers[0] as Descriptor);
}

/** Everything that refers to a manifest, by digest, read to the last blob. */
async function everything(name: string, digest: Digest): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const one of await list(name, digest)) {
    const { layers, config } = await artifact(name, one);
    for (const each of [config, ...layers]) all[each.digest] = String(await blob(name, each));
    all[one.digest] = one.artifactType ?? "";
  }
  return all;
}

/** What openssl says of a signature. */
async function opensslVerifies(payload: Buffer, signature: string): Promise<boolean> {
  const directory = await tempDir("openssl");
  try {
    const [data, sig, key] = ["data", "sig", "key.pem"].map((name) => join(directory, name));
    writeFileSync(data as string, payload);
    writeFileSync(sig as string, Buffer.from(signature, "base64"));
    writeFileSync(key as string, publicKey);
    const args = ["dgst", "-sha256", "-verify", key, "-signature", sig, data] as string[];
    return execFileSync("openssl", args, { encoding: "utf8" }).trim() === "Verified OK";
  } catch {
    return false;
  } finally {
    await removeTree(directory);
  }
}

/** What Sigstore's own library says of a bundle, for whoever has the public key. */
function sigstoreVerifies(bundle: unknown): boolean {
  const key = createPublicKey(publicKey);
  const spki = key.export({ type: "spki", format: "der" });
  const own = createHash("sha256").update(spki).digest("base64");
  const trust: TrustMaterial = {
    certificateAuthorities: [],
    timestampAuthorities: [],
    tlogs: [],
    ctlogs: [],
    publicKey(hint) {
      assert.equal(hint, own);
      return { publicKey: key, validFor: () => true };
    },
  };
  const none = { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 };
  try {
    new Verifier(trust, none).verify(toSignedEntity(bundleFromJSON(bundle)));
    return true;
  } catch {
    return false;
  }
}

describe("without a key", () => {
  test("an SBOM and provenance refer to each manifest of an image", async () => {
    const { oci, docker } = await pull("curl");
    for (const digest of [oci, docker]) {
      const all = await list("curl", digest);
      assert.deepEqual(
        all.map(({ artifactType }) => artifactType),
        [SPDX, IN_TOTO],
      );
      for (const one of all) {
        const made = await artifact("curl", one);
        assert.equal(made.subject?.digest, digest);
        assert.equal(made.artifactType, one.artifactType);
        assert.equal(String(await blob("curl", made.config)), "{}");
        assert.equal(one.mediaType, MANIFEST);
      }
    }
    assert.deepEqual(
      await only("curl", oci, SPDX),
      await only("curl", docker, SPDX),
      "one document for all manifests",
    );
  });

  test("the bill of materials has every store path, with what the set knows of it", async () => {
    const { oci } = await pull("curl/git");
    const text = String(await only("curl/git", oci, SPDX));
    const document = JSON.parse(text) as Spdx;
    const named = (name: string) => document.packages.filter((one) => one["name"] === name);
    const [curl] = named("curl");
    assert.deepEqual(
      [curl?.["versionInfo"], curl?.["homepage"], curl?.["licenseDeclared"], curl?.["summary"]],
      ["1.0", "https://curl.se/", "curl", "transfers data"],
    );
    assert.deepEqual(curl?.["checksums"], [
      {
        algorithm: "SHA256",
        checksumValue: digestOf(`nar of ${storePath("curl")}`).slice("sha256:".length),
      },
    ]);
    const [git] = named("git");
    assert.equal(git?.["licenseDeclared"], "GPL-2.0-only AND LicenseRef-A-licence-of-ours");
    assert.deepEqual(
      document.hasExtractedLicensingInfos?.map(({ licenseId }) => licenseId),
      ["LicenseRef-A-licence-of-ours"],
    );
    const [libc, ...again] = named("libc");
    assert.ok(libc && again.length === 0, "a store path of both packages is there once");
    assert.equal(libc["licenseDeclared"], "NOASSERTION");
    const says = (a: unknown, type: string, b: unknown) =>
      document.relationships.some(
        ({ spdxElementId, relationshipType, relatedSpdxElement }) =>
          spdxElementId === a && relationshipType === type && relatedSpdxElement === b,
      );
    assert.ok(says(curl?.["SPDXID"], "DEPENDS_ON", libc["SPDXID"]));
    assert.ok(says(git?.["SPDXID"], "DEPENDS_ON", libc["SPDXID"]));
    assert.ok(!says(libc["SPDXID"], "DEPENDS_ON", curl?.["SPDXID"]));
    assert.ok(says("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Image"));
    assert.equal(
      document.relationships.filter((one) => one["relationshipType"] === "CONTAINS").length,
      document.packages.length - 1,
    );
    assert.doesNotMatch(text, /127\.0\.0\.1/);
  });

  test("provenance says what was asked for, which derivations, and who built it", async () => {
    const { oci, docker } = await pull("curl");
    const statement = JSON.parse(String(await only("curl", oci, IN_TOTO))) as {
      _type: string;
      predicateType: string;
      subject: { digest: { sha256: string } }[];
      predicate: {
        buildDefinition: {
          externalParameters: Record<string, unknown>;
          resolvedDependencies: { uri: string }[];
        };
        runDetails: { builder: { id: string; version: Record<string, string> } };
      };
    };
    assert.equal(statement._type, "https://in-toto.io/Statement/v1");
    assert.equal(statement.predicateType, "https://slsa.dev/provenance/v1");
    const told = new Set(statement.subject.map(({ digest }) => `sha256:${digest.sha256}`));
    assert.ok(told.has(oci) && told.has(docker));
    const { buildDefinition, runDetails } = statement.predicate;
    const { packages, revision, packageSet, system } = buildDefinition.externalParameters;
    assert.deepEqual(
      [packageSet, revision, system, packages],
      ["starter", REVISION, "x86_64-linux", ["cacert", "curl", "iana-etc"]],
    );
    const uris = new Set(buildDefinition.resolvedDependencies.map(({ uri }) => uri));
    assert.ok(uris.has(`nix-store://${storePath("curl")}.drv`));
    assert.ok(uris.has(`nix-store://${storePath("libc")}.drv`));
    assert.match(runDetails.builder.id, /\/test$/);
    assert.deepEqual(runDetails.builder.version, { nix: "2.31.4" });
  });

  test("a filter, HEAD, and what has no referrers", async () => {
    const { oci } = await pull("curl");
    const path = `curl/referrers/${oci}`;
    const filtered = await get(`${path}?artifactType=${encodeURIComponent(SPDX)}`);
    assert.equal(filtered.headers["oci-filters-applied"], "artifactType");
    assert.deepEqual(
      parse<{ manifests: Descriptor[] }>(filtered).manifests.map((one) => one.artifactType),
      [SPDX],
    );
    assert.deepEqual(await list("curl", oci, "?artifactType=a/b"), []);
    const [whole, head] = [await get(path), await get(path, {}, "HEAD")];
    assert.equal(whole.headers["oci-filters-applied"], undefined);
    assert.equal(head.headers["content-length"], String(whole.body.length));
    assert.equal(head.body.length, 0);
    const [spdx] = await list("curl", oci);
    assert.deepEqual(await list("curl", spdx?.digest as Digest), [], "nothing refers to an SBOM");
    assert.equal((await get("curl/referrers/sha256:x")).status, 400);
  });

  test("an artifact belongs to its image's name, as a manifest does", async () => {
    const { oci } = await pull("curl");
    const [spdx] = await list("curl", oci);
    assert.ok(spdx);
    await artifact("curl", spdx);
    assert.equal((await get(`git/manifests/${spdx.digest}`)).status, 404);
    assert.deepEqual(await list("git", oci), []);
  });

  test("cosign's tags: the SBOM is there, signatures are a 404 that says why", async () => {
    const { oci } = await pull("curl");
    const tag = `sha256-${oci.slice("sha256:".length)}`;
    const sbom = await get(`curl/manifests/${tag}.sbom`);
    const { layers } = parse<Artifact>(sbom);
    assert.deepEqual(
      layers.map(({ mediaType }) => mediaType),
      ["text/spdx+json"],
    );
    assert.deepEqual(await blob("curl", layers[0] as Descriptor), await only("curl", oci, SPDX));
    for (const suffix of ["sig", "att"]) {
      const answer = await get(`curl/manifests/${tag}.${suffix}`);
      assert.equal(answer.status, 404);
      assert.match(errorsOf(answer)[0]?.message ?? "", /does not sign images/);
    }
  });

  test("no digest, tag or name of nothing does harm", async () => {
    const { oci } = await pull("curl");
    const hex = fc.string({
      unit: fc.constantFrom(..."0123456789abcdef"),
      minLength: 64,
      maxLength: 64,
    });
    const suffix = fc.constantFrom("", ".sig", ".att", ".sbom", ".exe", ".sig.sig");
    await fc.assert(
      fc.asyncProperty(hex, suffix, fc.constantFrom("curl", "git"), async (digits, end, name) => {
        const digest = `sha256:${digits}`;
        assert.deepEqual(await list(name, digest as Digest), []);
        assert.equal((await get(`${name}/blobs/${digest}`)).status, 404);
        assert.equal((await get(`${name}/manifests/${digest}`)).status, 404);
        const tagged = await get(`${name}/manifests/sha256-${digits}${end}`);
        assert.ok([404, 503].includes(tagged.status), `${tagged.status}`);
      }),
      { numRuns: 20 },
    );
    assert.equal((await list("curl", oci)).length, 2);
  });

  test("another isolate has the same bytes, and finds each by its digest alone", async () => {
    const { oci } = await pull("curl/git");
    const first = await everything("curl/git", oci);
    for (const digest of Object.keys(first)) {
      await restart();
      const kind = [SPDX, IN_TOTO].includes(first[digest] ?? "") ? "manifests" : "blobs";
      const answer = await get(`curl/git/${kind}/${digest}`);
      assert.equal(answer.status, 200, `${kind}/${digest}: ${String(answer.body)}`);
      assert.equal(digestOf(answer.body), digest);
    }
    await restart();
    assert.deepEqual(await everything("git/curl", oci), first, "in whatever order it is asked");
  });

  test("a lost closure is a 503 without an origin, and hinders no pull", async () => {
    const bucket = s3Bucket(edge.s3);
    const record = await putPackage(bucket, { name: "lost", levels: [["libc", "lost"]] });
    await bucket.delete(blobPath(record.closure.digest));
    const { oci } = await pull("lost");
    const answer = await get(`lost/referrers/${oci}`);
    assert.equal(answer.status, 503, String(answer.body));
  });
});

describe("with a key", () => {
  before(() => restart(SIGNED));

  test("cosign verify: the tag .sig leads to a payload that openssl verifies", async () => {
    const { oci } = await pull("curl");
    const answer = await get(`curl/manifests/sha256-${oci.slice(7)}.sig`, { Host: HOST });
    assert.equal(answer.status, 200, String(answer.body));
    const [layer] = parse<Artifact>(answer).layers;
    assert.ok(layer);
    assert.equal(layer.mediaType, "application/vnd.dev.cosign.simplesigning.v1+json");
    const payload = (await get(`curl/blobs/${layer.digest}`, { Host: HOST })).body;
    assert.deepEqual(JSON.parse(String(payload)), {
      critical: {
        identity: { "docker-reference": `${HOST}/curl` },
        image: { "docker-manifest-digest": oci },
        type: "cosign container image signature",
      },
      optional: {},
    });
    const signature = layer.annotations?.["dev.cosignproject.cosign/signature"] ?? "";
    assert.ok(await opensslVerifies(payload, signature));
    const other = Buffer.from(String(payload).replace(oci, digestOf("another")));
    assert.ok(!(await opensslVerifies(other, signature)));
  });

  test("nothing is signed under a name that the configuration does not have", async () => {
    const { oci } = await pull("curl");
    const tag = `curl/manifests/sha256-${oci.slice(7)}.sig`;
    const headers = { Host: "evil.example.net" };
    const [layer] = parse<Artifact>(await get(tag, headers)).layers;
    const payload = await get(`curl/blobs/${layer?.digest}`, headers);
    assert.match(String(payload.body), /"docker-reference":"other\.example\.org\/curl"/);
  });

  test("every artifact: signature, SBOM and provenance, and their bundles", async () => {
    const { oci, docker } = await pull("curl");
    for (const digest of [oci, docker]) {
      const all = await list("curl", digest);
      assert.deepEqual(
        all.map(({ artifactType }) => artifactType).sort(),
        [SPDX, IN_TOTO, BUNDLE, BUNDLE, BUNDLE, SIGNATURE].sort(),
      );
      const bundles = all.filter(({ artifactType }) => artifactType === BUNDLE);
      assert.deepEqual(
        bundles.map(({ annotations }) => annotations?.["dev.sigstore.bundle.predicateType"]).sort(),
        [
          "https://sigstore.dev/cosign/sign/v1",
          "https://slsa.dev/provenance/v1",
          "https://spdx.dev/Document",
        ],
      );
      for (const one of bundles) {
        const { layers } = await artifact("curl", one);
        const bundle = JSON.parse(String(await blob("curl", layers[0] as Descriptor))) as {
          dsseEnvelope: Envelope;
        };
        assert.ok(sigstoreVerifies(bundle));
        const forged = structuredClone(bundle);
        Object.assign(forged.dsseEnvelope, { payload: btoa("{}") });
        assert.ok(!sigstoreVerifies(forged));
        const { subject } = opened(bundle.dsseEnvelope);
        assert.ok(subject.some((each) => `sha256:${each.digest.sha256}` === digest));
      }
    }
  });

  interface Envelope {
    readonly payload: string;
    readonly payloadType: string;
    readonly signatures: readonly { readonly sig: string }[];
  }
  /** The statement in an envelope whose signature is good. */
  function opened({ payload, payloadType, signatures }: Envelope): {
    subject: { digest: { sha256: string } }[];
    predicateType: string;
    predicate: unknown;
  } {
    const body = Buffer.from(payload, "base64");
    const pae = Buffer.concat([
      Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${body.length} `),
      body,
    ]);
    const [signature] = signatures;
    assert.ok(
      verify("sha256", pae, publicKey, Buffer.from(signature?.sig ?? "", "base64")),
      "the signature is good",
    );
    return JSON.parse(String(body));
  }

  test("cosign download attestation: the tag .att has provenance and SBOM, signed", async () => {
    const { oci } = await pull("curl");
    const answer = await get(`curl/manifests/sha256-${oci.slice(7)}.att`);
    const { layers } = parse<Artifact>(answer);
    const seen: string[] = [];
    for (const layer of layers) {
      assert.equal(layer.mediaType, "application/vnd.dsse.envelope.v1+json");
      const { predicateType, predicate } = opened(
        JSON.parse(String(await blob("curl", layer))) as Envelope,
      );
      assert.equal(layer.annotations?.["predicateType"], predicateType);
      seen.push(predicateType);
      if (predicateType === "https://spdx.dev/Document")
        assert.deepEqual(predicate, JSON.parse(String(await only("curl", oci, SPDX))));
    }
    assert.deepEqual(seen.sort(), ["https://slsa.dev/provenance/v1", "https://spdx.dev/Document"]);
  });

  test("signatures are the same in every isolate, and need no closure", async () => {
    const { oci } = await pull("curl");
    const first = await everything("curl", oci);
    await restart(SIGNED);
    assert.deepEqual(await everything("curl", oci), first);
    const lost = await pull("lost");
    const answer = await get(`lost/manifests/sha256-${lost.oci.slice(7)}.sig`);
    assert.equal(answer.status, 200, String(answer.body));
    const [layer] = parse<Artifact>(answer).layers;
    await restart(SIGNED);
    await blob("lost", layer as Descriptor);
  });

  test("the fallback tag lists the same", async () => {
    const { oci } = await pull("curl");
    const answer = await get(`curl/manifests/sha256-${oci.slice(7)}`, { Accept: INDEX });
    assert.equal(answer.headers["content-type"], INDEX);
    assert.equal(answer.headers["docker-content-digest"], digestOf(answer.body));
    assert.deepEqual(parse<{ manifests: Descriptor[] }>(answer).manifests, await list("curl", oci));
    const unknown = await get(`curl/manifests/sha256-${"0".repeat(64)}`);
    assert.equal(unknown.status, 404);
  });
});

test("an index is signed; SBOM and provenance refer to each platform's manifest", async () => {
  const bucket = s3Bucket(edge.s3);
  const scope = { ...SCOPE, system: "aarch64-linux" } as const;
  await putBase(bucket, scope);
  await putPackage(bucket, { name: "curl", scope });
  await restart({ ...SIGNED, SYSTEMS: "x86_64-linux,aarch64-linux", PLATFORM_WAIT: "5" });
  const index = await get("curl/manifests/latest", { Accept: INDEX });
  assert.equal(index.status, 200, String(index.body));
  const { manifests } = parse<{ manifests: (Descriptor & { platform: unknown })[] }>(index);
  assert.equal(manifests.length, 2);
  const digest = digestOf(index.body);
  assert.deepEqual(await types(digest), new Set([SIGNATURE, BUNDLE]));
  const documents = new Set<string>();
  for (const { digest: own } of manifests) {
    assert.deepEqual(await types(own), new Set([SIGNATURE, BUNDLE, SPDX, IN_TOTO]));
    documents.add(String(await only("curl", own, SPDX)));
  }
  assert.equal(documents.size, 2, "each platform has its own");
  const [layer] = parse<Artifact>(await get(`curl/manifests/sha256-${digest.slice(7)}.sig`)).layers;
  const signature = layer?.annotations?.["dev.cosignproject.cosign/signature"] ?? "";
  assert.ok(await opensslVerifies(await blob("curl", layer as Descriptor), signature));
  assert.equal((await get(`curl/manifests/sha256-${digest.slice(7)}.sbom`)).status, 404);
});

test("what a client has described is limited, what is remembered is not", async () => {
  await restart({ LIMIT_LOOKS: "1/3600", CLIENT_ADDRESS_HEADER: "X-Client" });
  const { oci } = await pull("curl");
  const own = await pull("git");
  const client = { "X-Client": "192.0.2.1" };
  const path = `curl/referrers/${oci}`;
  for (const again of [path, path, path]) assert.equal((await get(again, client)).status, 200);
  const refused = await get(`git/referrers/${own.oci}`, client);
  assert.equal(refused.status, 429, String(refused.body));
  assert.equal((await get(`git/referrers/${own.oci}`, { "X-Client": "192.0.2.2" })).status, 200);
});

test("a key that is none is told, without a word of it", async () => {
  const { privateKey: wrong } = generateKeyPairSync("ec", {
    namedCurve: "P-384",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  for (const key of [wrong, "secret", publicKey, privateKey.slice(0, 80)]) {
    await restart({ SIGNING_KEY: key });
    const answer = await get("curl/manifests/latest");
    assert.equal(answer.status, 500);
    assert.doesNotMatch(String(answer.body), /BEGIN|secret/);
  }
  await restart({ SIGNING_KEY: privateKey.replaceAll("\n", "\\n") });
  assert.equal((await get("curl/manifests/latest")).status, 200, "on one line");
});
