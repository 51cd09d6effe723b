/**
 * The bill of materials against the rules of SPDX 2.3, whatever the contents: the fields and forms
 * that its clauses 6 to 11 require, and licence expressions by a parser that has SPDX's list.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import parseExpression from "spdx-expression-parse";
import type { License } from "../../../edge/contract/closure.ts";
import { documentBytes, spdxDocument } from "../../../edge/referrers/spdx.ts";
import { Gathering, type ImageContents, TooManyPaths } from "../../../edge/referrers/contents.ts";
import { closureOf, entry } from "../closures.ts";
import { Blobs, record, SCOPE, storePath } from "../compose/sample.ts";

const CONFIG = `sha256:${"c".repeat(64)}` as const;

interface Package {
  readonly SPDXID: string;
  readonly name: string;
  readonly versionInfo?: string;
  readonly downloadLocation: string;
  readonly filesAnalyzed: boolean;
  readonly homepage?: string;
  readonly licenseDeclared: string;
  readonly licenseConcluded: string;
  readonly checksums: readonly { readonly algorithm: string; readonly checksumValue: string }[];
  readonly externalRefs?: readonly Record<string, string>[];
}
interface Document {
  readonly spdxVersion: string;
  readonly dataLicense: string;
  readonly SPDXID: string;
  readonly name: string;
  readonly documentNamespace: string;
  readonly creationInfo: { readonly created: string; readonly creators: readonly string[] };
  readonly packages: readonly Package[];
  readonly relationships: readonly Record<string, string>[];
  readonly hasExtractedLicensingInfos?: readonly Record<string, string>[];
}

/** What is wrong with a document; SPDX's clause in front. */
function faults(document: Document): string[] {
  const found: string[] = [];
  const check = (holds: boolean, what: string): void => void (holds || found.push(what));
  check(document.spdxVersion === "SPDX-2.3", "6.1 version");
  check(document.dataLicense === "CC0-1.0", "6.2 data licence");
  check(document.SPDXID === "SPDXRef-DOCUMENT", "6.3 identifier");
  check(document.name.length > 0 && !document.name.includes("\n"), "6.4 name");
  check(/^https:\/\/[^#\s]+$/.test(document.documentNamespace), "6.5 namespace: a URI without #");
  check(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(document.creationInfo.created), "6.9 created");
  check(document.creationInfo.creators.length > 0, "6.8 creators");
  for (const creator of document.creationInfo.creators)
    check(/^(Tool: \S+-\S+|Person: .+|Organization: .+)$/.test(creator), "6.8 a creator's form");

  const licenses = new Set<string>();
  for (const { licenseId = "", extractedText = "" } of document.hasExtractedLicensingInfos ?? []) {
    check(/^LicenseRef-[A-Za-z0-9.-]+$/.test(licenseId), `10.1 ${licenseId}`);
    check(!licenses.has(licenseId), `10.1 ${licenseId} twice`);
    check(extractedText !== "", "10.2 extracted text");
    licenses.add(licenseId);
  }
  const elements = new Set([document.SPDXID]);
  for (const one of document.packages) {
    check(/^SPDXRef-[A-Za-z0-9.-]+$/.test(one.SPDXID), `7.2 ${one.SPDXID}`);
    check(!elements.has(one.SPDXID), `7.2 ${one.SPDXID} twice`);
    elements.add(one.SPDXID);
    check(one.name !== "" && !/[\n\r]/.test(one.name), "7.1 name");
    check(one.versionInfo !== "", "7.3 an empty version");
    check(one.downloadLocation === "NOASSERTION", "7.7 download location");
    check(!one.filesAnalyzed, "7.8 no files, so they were not analysed");
    for (const { algorithm, checksumValue } of one.checksums)
      check(algorithm === "SHA256" && /^[0-9a-f]{64}$/.test(checksumValue), "7.10 checksum");
    for (const text of [one.licenseDeclared, one.licenseConcluded])
      for (const used of licensesOf(text, check))
        check(licenses.has(used), `10.1 ${used} is not defined`);
    for (const { referenceCategory, referenceType, referenceLocator = "" } of one.externalRefs ??
      []) {
      check(
        !/\s/.test(referenceLocator) && referenceLocator !== "",
        "7.21 a locator has no spaces",
      );
      if (referenceType === "purl")
        check(
          referenceCategory === "PACKAGE-MANAGER" &&
            /^pkg:nix\/[A-Za-z0-9._~%-]+(@[A-Za-z0-9._~%-]+)?\?storehash=[0-9a-z]{32}$/.test(
              referenceLocator,
            ),
          `F.3 ${referenceLocator}`,
        );
      else
        check(
          referenceCategory === "SECURITY" &&
            referenceType === "cpe23Type" &&
            CPE.test(referenceLocator),
          `F.2 ${referenceLocator}`,
        );
    }
  }
  let describes = 0;
  for (const one of document.relationships) {
    const { spdxElementId = "", relationshipType = "", relatedSpdxElement = "" } = one;
    check(elements.has(spdxElementId), `11.1 ${spdxElementId} is nothing`);
    check(elements.has(relatedSpdxElement), `11.1 ${relatedSpdxElement} is nothing`);
    check(["DESCRIBES", "CONTAINS", "DEPENDS_ON"].includes(relationshipType), relationshipType);
    if (relationshipType === "DESCRIBES") describes += 1;
  }
  check(describes === 1, "11.1 a document describes something");
  return found;
}

/** NIST's pattern for a formatted string, for the part `a`. */
const CPE =
  /^cpe:2\.3:a(:((\?*|\*?)([A-Za-z0-9._-]|\\[\\*?!"#$%&'()+,/:;<=>@[\]^`{|}~])+(\?*|\*?)|[*-])){10}$/;

/**
 * The references to licences of the document itself in an expression, which SPDX's list must allow.
 */
function licensesOf(text: string, check: (holds: boolean, what: string) => void): string[] {
  if (text === "NOASSERTION") return [];
  const own: string[] = [];
  const visit = (node: ReturnType<typeof parseExpression>): void => {
    if ("conjunction" in node) {
      visit(node.left);
      visit(node.right);
    } else if (node.license.startsWith("LicenseRef-")) own.push(node.license);
  };
  try {
    visit(parseExpression(text));
  } catch (error) {
    check(false, `10 ${text}: ${String(error)}`);
  }
  return own;
}

interface SampleFacts {
  readonly pname?: string;
  readonly version?: string;
  readonly licenses?: License[];
  readonly homepage?: string;
}

function contentsOf(packages: readonly (readonly [string, SampleFacts])[]): ImageContents {
  const gathering = new Gathering();
  const libc = storePath("glibc-2.40");
  const sorted = packages.toSorted(([a], [b]) => (a < b ? -1 : 1));
  for (const [name, facts] of sorted) {
    const own = record(new Blobs(), name, []);
    const path = own.storePath;
    gathering.add(own, 0, closureOf(entry(libc), entry(path, { references: [libc], ...facts })));
  }
  const name = sorted.map(([name]) => name).join("/");
  const set = { kind: "starter", label: "starter" } as const;
  return gathering.contents({ scope: SCOPE, set, name, shell: false });
}
const documentOf = async (contents: ImageContents): Promise<Document> =>
  JSON.parse(await spdxDocument(contents, CONFIG)) as Document;

test("a document of two packages is whole and valid", async () => {
  const document = await documentOf(
    contentsOf([
      ["git", { pname: "git", version: "2.47.0", licenses: [{ spdxId: "GPL-2.0-only" }] }],
      ["unrar", { licenses: [{ name: "unRAR" }, { name: "un RAR" }] }],
    ]),
  );
  assert.deepEqual(faults(document), []);
  assert.equal(document.packages.length, 4);
  const unrar = document.packages.find(({ name }) => name === "unrar");
  assert.equal(unrar?.licenseDeclared, "LicenseRef-unRAR AND LicenseRef-un-RAR");
});

test("whatever a package set says of its packages, the document stays valid", async () => {
  const text = fc.oneof(fc.string({ unit: "grapheme", minLength: 1 }), fc.string({ minLength: 1 }));
  const facts = fc.record(
    {
      pname: text.map((name) => name.replace(/[\n\r]/g, "") || "x"),
      version: fc.oneof(fc.constant(""), text),
      homepage: fc.webUrl(),
      licenses: fc.array(
        fc.oneof(
          fc.constantFrom("MIT", "GPL-3.0-or-later", "Apache-2.0").map((spdxId) => ({ spdxId })),
          text.map((name) => ({ name })),
        ),
        { maxLength: 4 },
      ),
    },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(facts, facts, async (one, other) => {
      const document = await documentOf(
        contentsOf([
          ["one", one],
          ["two", other],
        ]),
      );
      assert.deepEqual(faults(document), []);
    }),
    { numRuns: 300 },
  );
});

test("the checks see what is wrong", async () => {
  const document = await documentOf(contentsOf([["git", {}]]));
  const [first, ...others] = document.packages;
  assert.ok(first);
  const wrong: readonly [string, Document][] = [
    ["11.1", { ...document, packages: others }],
    ["7.2", { ...document, packages: [first, first, ...others] }],
    ["10", { ...document, packages: [{ ...first, licenseDeclared: "No-Such-1.0" }, ...others] }],
    ["10.1", { ...document, packages: [{ ...first, licenseDeclared: "LicenseRef-x" }, ...others] }],
    ["6.5", { ...document, documentNamespace: "https://a/#b" }],
  ];
  for (const [clause, one] of wrong)
    assert.ok(
      faults(one).some((fault) => fault.startsWith(clause)),
      clause,
    );
});

test("a document's size is told before it is made, and never too small", async () => {
  const contents = contentsOf(
    Array.from({ length: 300 }, (_, at) => [
      `package-${at}`,
      { pname: `package-${at}`, version: "1.0", homepage: "https://example.org/" },
    ]),
  );
  const { length } = await spdxDocument(contents, CONFIG);
  assert.ok(length <= documentBytes(contents), `${length} > ${documentBytes(contents)}`);
});

test("an image of more store paths than can be listed is refused", () => {
  const gathering = new Gathering();
  const paths = Array.from({ length: 10_001 }, (_, at) =>
    entry(`/nix/store/${String(at).padStart(32, "0")}-x`),
  );
  assert.throws(
    () => gathering.add(record(new Blobs(), "large", []), 0, closureOf(...paths)),
    TooManyPaths,
  );
});
