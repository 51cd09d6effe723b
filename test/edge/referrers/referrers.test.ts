/**
 * What refers to an image, from its closures to what clients ask for: the referrers API, artifacts
 * by digest, cosign's tags; the same bytes in an isolate that knows nothing.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import type { Digest } from "../../../edge/contract/digest.ts";
import { digestOf, REVISION, errorsOf, storePath } from "../registry/support.ts";
import {
  MANIFEST,
  SPDX,
  IN_TOTO,
  type Descriptor,
  type Artifact,
  parse,
  restart,
  putLost,
  get,
  pull,
  list,
  artifact,
  blob,
  only,
  everything,
} from "./registry.ts";

interface Spdx {
  readonly documentNamespace: string;
  readonly packages: readonly Record<string, unknown>[];
  readonly relationships: readonly Record<string, string>[];
  readonly hasExtractedLicensingInfos?: readonly { licenseId: string }[];
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
    const empty = await get(`${path}?artifactType=`);
    assert.equal(empty.headers["oci-filters-applied"], undefined, "nothing is filtered");
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
    const lost = await putLost();
    const { oci } = await pull(lost);
    const answer = await get(`${lost}/referrers/${oci}`);
    assert.equal(answer.status, 503, String(answer.body));
  });
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
