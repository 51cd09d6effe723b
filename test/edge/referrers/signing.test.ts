/**
 * Signatures of images, and signed documents: cosign's tags and bundles, checked with openssl and
 * with Sigstore's own library.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { bundleFromJSON } from "@sigstore/bundle";
import { toSignedEntity, type TrustMaterial, Verifier } from "@sigstore/verify";
import { removeTree, tempDir } from "../../harness/temp.ts";
import { digestOf, putBase, putPackage, SCOPE } from "../registry/support.ts";
import {
  INDEX,
  SPDX,
  IN_TOTO,
  BUNDLE,
  SIGNATURE,
  type Descriptor,
  type Artifact,
  parse,
  restart,
  bucketOf,
  putLost,
  get,
  pull,
  list,
  types,
  artifact,
  blob,
  only,
  everything,
} from "./registry.ts";

const HOST = "registry.example.org";
/** P-256, as `openssl genpkey` writes it. */
const { privateKey, publicKey } = generateKeyPairSync("ec", {
  namedCurve: "P-256",
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});
const SIGNED = { SIGNING_KEY: privateKey, EDGE_HOST: `other.example.org,${HOST}` };

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
    const name = await putLost();
    const lost = await pull(name);
    const answer = await get(`${name}/manifests/sha256-${lost.oci.slice(7)}.sig`);
    assert.equal(answer.status, 200, String(answer.body));
    const [layer] = parse<Artifact>(answer).layers;
    await restart(SIGNED);
    await blob(name, layer as Descriptor);
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
  const bucket = bucketOf();
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
