/**
 * The bill of materials against the rules of SPDX 2.3, whatever the contents: the fields and forms
 * that its clauses 6 to 11 require, and licence expressions by a parser that has SPDX's list.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import parseExpression from "spdx-expression-parse";
import * as v from "valibot";
import type { License } from "../../../edge/contract/closure.ts";
import { documentBytes, spdxDocument } from "../../../edge/referrers/spdx.ts";
import { Gathering, type ImageContents, TooManyPaths } from "../../../edge/referrers/contents.ts";
import { closureOf, entry } from "../closures.ts";
import { Blobs, record, SCOPE, storePath } from "../compose/sample.ts";

const CONFIG = `sha256:${"c".repeat(64)}` as const;

interface Package {
  readonly SPDXID: string;
  readonly name: string;
  readonly comment?: string;
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

/** The fields that SPDX's JSON schema has, of those that are used here: it allows no others. */
const text = v.string();
const optional = v.optional(text);
const Checksum = v.strictObject({ algorithm: text, checksumValue: text });
const FormSchema = v.strictObject({
  SPDXID: text,
  creationInfo: v.strictObject({
    created: text,
    creators: v.pipe(v.array(text), v.minLength(1)),
    comment: optional,
    licenseListVersion: optional,
  }),
  dataLicense: text,
  name: text,
  spdxVersion: text,
  documentNamespace: text,
  documentDescribes: v.array(text),
  packages: v.array(
    v.strictObject({
      SPDXID: text,
      downloadLocation: text,
      name: text,
      checksums: v.array(Checksum),
      comment: optional,
      copyrightText: optional,
      externalRefs: v.optional(
        v.array(
          v.strictObject({
            referenceCategory: v.picklist([
              "OTHER",
              "PERSISTENT-ID",
              "SECURITY",
              "PACKAGE-MANAGER",
            ]),
            referenceLocator: text,
            referenceType: text,
          }),
        ),
      ),
      filesAnalyzed: v.boolean(),
      homepage: optional,
      licenseConcluded: optional,
      licenseDeclared: optional,
      primaryPackagePurpose: v.optional(v.picklist(["CONTAINER", "APPLICATION", "LIBRARY"])),
      sourceInfo: optional,
      summary: optional,
      supplier: optional,
      versionInfo: optional,
    }),
  ),
  relationships: v.array(
    v.strictObject({ spdxElementId: text, relatedSpdxElement: text, relationshipType: text }),
  ),
  hasExtractedLicensingInfos: v.optional(
    v.array(v.strictObject({ licenseId: text, extractedText: text, name: optional })),
  ),
});

/** What is wrong with a document; SPDX's clause in front. */
function faults(document: Document): string[] {
  const found: string[] = [];
  const form = v.safeParse(FormSchema, document);
  if (!form.success) found.push(`form: ${v.getDotPath(form.issues[0])} ${form.issues[0].message}`);
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

/** Packages that each need glibc, of which `libc` is said. */
function contentsOf(
  packages: readonly (readonly [string, SampleFacts])[],
  libcFacts: SampleFacts = {},
): ImageContents {
  const gathering = new Gathering();
  const libc = storePath("glibc-2.40");
  const sorted = packages.toSorted(([a], [b]) => (a < b ? -1 : 1));
  for (const [name, facts] of sorted) {
    const own = record(new Blobs(), name, []);
    const path = own.storePath;
    gathering.add(
      own,
      0,
      closureOf(entry(libc, libcFacts), entry(path, { references: [libc], ...facts })),
    );
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

test("what is said of a dependency by its name and version is marked as such", async () => {
  const facts = { pname: "glibc", version: "2.40", licenses: [{ spdxId: "LGPL-2.1-or-later" }] };
  const document = await documentOf(contentsOf([["git", { pname: "git" }]], facts));
  assert.deepEqual(faults(document), []);
  const find = (name: string) => document.packages.findLast((one) => one.name === name);
  assert.equal(find("glibc")?.licenseDeclared, "LGPL-2.1-or-later");
  assert.match(find("glibc")?.comment ?? "", /has this name and version/);
  assert.equal(find("git")?.comment, undefined, "the set says it of this very package");
});

test("a package of the image is described by its own closure, wherever else it is needed", () => {
  for (const order of [
    ["a", "glibc"],
    ["glibc", "z"],
  ]) {
    const gathering = new Gathering();
    const libc = record(new Blobs(), "glibc", []).storePath;
    for (const name of order) {
      const own = record(new Blobs(), name, []);
      const facts = { pname: name, licenses: [{ spdxId: name === "glibc" ? "MIT" : "Zlib" }] };
      const asDependency = entry(libc, { pname: "glibc", licenses: [{ spdxId: "ISC" }] });
      const closure =
        name === "glibc"
          ? closureOf(entry(libc, facts))
          : closureOf(asDependency, entry(own.storePath, { references: [libc], ...facts }));
      gathering.add(own, 0, closure);
    }
    const set = { kind: "starter", label: "starter" } as const;
    const { paths } = gathering.contents({ scope: SCOPE, set, name: "x", shell: false });
    const found = paths.find(({ path }) => path === libc);
    assert.deepEqual(found?.licenses, [{ spdxId: "MIT" }], order.join(", "));
  }
});

test("a licence that the set defines in a document of its own is defined here", async () => {
  const licenses = [{ spdxId: "LicenseRef-ours" }, { spdxId: "LicenseRef-x", name: "X licence" }];
  const document = await documentOf(contentsOf([["git", { pname: "git", licenses }]]));
  assert.deepEqual(faults(document), []);
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
  const EXTRA = { license: "MIT" };
  const wrong: readonly [string, Document][] = [
    ["11.1", { ...document, packages: others }],
    ["7.2", { ...document, packages: [first, first, ...others] }],
    ["10", { ...document, packages: [{ ...first, licenseDeclared: "No-Such-1.0" }, ...others] }],
    ["10.1", { ...document, packages: [{ ...first, licenseDeclared: "LicenseRef-x" }, ...others] }],
    ["form", { ...document, ...EXTRA }],
    ["form", { ...document, packages: [{ ...first, ...EXTRA }, ...others] }],
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
