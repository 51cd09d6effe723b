/**
 * The bill of materials of an image: SPDX 2.3 as JSON.
 *
 *   DOCUMENT  DESCRIBES   the image       its name, its revision, the digest of its config
 *   the image CONTAINS    a store path    name, version, licences, homepage, NAR hash
 *   a store path DEPENDS_ON another       the references between them
 *
 * The same image is the same document, byte for byte, whoever asks and when.
 */
import { CREATED } from "../compose/config.ts";
import type { License } from "../contract/closure.ts";
import { nameAndVersion, storeName } from "../contract/store-path.ts";
import { type Digest, sha256Hex } from "../contract/digest.ts";
import { canonicalJson } from "../contract/keys.ts";
import type { ContentPath, ImageContents } from "./contents.ts";

/** To be raised when the same contents give another document. */
const SBOM_FORMAT = 1;
const NOASSERTION = "NOASSERTION";
const IMAGE = "SPDXRef-Image";

/** The document. `config`: digest of the image's config, which all of its manifests name. */
export async function spdxDocument(contents: ImageContents, config: Digest): Promise<string> {
  const { name, scope, paths } = contents;
  const licenses = new Licenses();
  const packages = paths.map((path) => packageOf(path, licenses));
  const relationships = [
    relationship("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE),
    ...paths.flatMap((path) => [
      relationship(IMAGE, "CONTAINS", idOf(path.path)),
      ...path.references.map((other) => relationship(idOf(path.path), "DEPENDS_ON", idOf(other))),
    ]),
  ];
  const inputs = canonicalJson({ format: SBOM_FORMAT, config, scope });
  const document = {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name,
    documentNamespace: `https://spdx.org/spdxdocs/firn-${uuidOf(await sha256Hex(inputs))}`,
    creationInfo: {
      created: CREATED,
      creators: [`Tool: firn-${SBOM_FORMAT}`],
      comment: "The time is always the same, so that the same image has the same document.",
    },
    documentDescribes: [IMAGE],
    packages: [imageOf(contents, config), ...packages],
    relationships,
    ...licenses.extracted(),
  };
  // The order of the fields is that of the code; sorting them takes longer than all the rest.
  return JSON.stringify(document);
}

/** Bytes that a document takes in memory while it is made, roughly. */
export const documentBytes = ({ paths }: Pick<ImageContents, "paths">): number =>
  paths.reduce((sum, { references }) => sum + 1_200 + 170 * references.length, 4_000);

function imageOf({ name, scope }: ImageContents, config: Digest) {
  const { packageSet, revision, system, plan } = scope;
  return {
    SPDXID: IMAGE,
    name,
    versionInfo: revision,
    primaryPackagePurpose: "CONTAINER",
    downloadLocation: NOASSERTION,
    filesAnalyzed: false,
    supplier: NOASSERTION,
    licenseConcluded: NOASSERTION,
    licenseDeclared: NOASSERTION,
    copyrightText: NOASSERTION,
    checksums: [checksum(config)],
    comment:
      `The checksum is that of the image's configuration. Package set ${packageSet}, system ` +
      `${system}, layer plan ${plan}.`,
  };
}

function packageOf(path: ContentPath, licenses: Licenses) {
  const parsed = nameAndVersion(storeName(path.path));
  const name = path.pname || parsed.name;
  const version = path.version ?? parsed.version;
  return {
    SPDXID: idOf(path.path),
    name,
    ...(version === "" ? {} : { versionInfo: version }),
    ...(path.description === undefined ? {} : { summary: path.description }),
    downloadLocation: NOASSERTION,
    homepage: path.homepage ?? NOASSERTION,
    filesAnalyzed: false,
    supplier: NOASSERTION,
    licenseConcluded: NOASSERTION,
    licenseDeclared: licenses.expression(path.licenses ?? []),
    copyrightText: NOASSERTION,
    checksums: [checksum(path.narHash)],
    sourceInfo:
      `The checksum is that of the store path's NAR.` +
      (path.deriver === undefined ? "" : ` Built by ${path.deriver}.`),
    ...(path.isPackage || path.pname === undefined ? {} : { comment: BY_NAME }),
    externalRefs: [
      {
        referenceCategory: "PACKAGE-MANAGER",
        referenceType: "purl",
        referenceLocator: purl(name, version, path.path),
      },
      ...(version === ""
        ? []
        : [
            {
              referenceCategory: "SECURITY",
              referenceType: "cpe23Type",
              referenceLocator: cpe(name, version),
            },
          ]),
    ],
  };
}

/** The comment on a package whose metadata was found by its name. */
const BY_NAME =
  "Summary, homepage and licence are what the package set says of the package that has this name " +
  "and version.";

/** A store path's hash identifies it: 32 letters and digits. */
const idOf = (path: string): string => `SPDXRef-${path.slice("/nix/store/".length).slice(0, 32)}`;

const checksum = (digest: Digest) => ({
  algorithm: "SHA256",
  checksumValue: digest.slice("sha256:".length),
});

const relationship = (spdxElementId: string, relationshipType: string, related: string) => ({
  spdxElementId,
  relationshipType,
  relatedSpdxElement: related,
});

/** A package URL of the type nix, with the hash in the store path. */
function purl(name: string, version: string, path: string): string {
  const hash = path.slice("/nix/store/".length).slice(0, 32);
  return `pkg:nix/${percent(name)}${version === "" ? "" : `@${percent(version)}`}?storehash=${hash}`;
}

const percent = (text: string): string =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );

/**
 * A CPE 2.3 name by which scanners find a package's vulnerabilities: who makes it is not known, so
 * the package's name stands for the vendor's too, as it does for most free software.
 */
function cpe(name: string, version: string): string {
  const product = cpeComponent(name.toLowerCase());
  return `cpe:2.3:a:${product}:${product}:${cpeComponent(version)}:*:*:*:*:*:*:*`;
}

/** A component of a CPE (NISTIR 7695, section 6.2): other characters are quoted, spaces are `_`. */
const cpeComponent = (text: string): string =>
  text
    .replace(/\s+/g, "_")
    .replace(/[^\x21-\x7e]/g, "")
    .replace(/[^A-Za-z0-9._-]/g, (sign) => `\\${sign}`) || "-";

/** Identifiers that SPDX reserves for licences which a document defines itself. */
const OWN_REFERENCE = /^(DocumentRef|LicenseRef)-/;

/** The licences of a document: those that SPDX's list lacks are defined in the document itself. */
class Licenses {
  readonly #defined = new Map<string, string>();

  /** Joined by AND: metadata does not say whether one may choose between several licences. */
  expression(licenses: readonly License[]): string {
    const all = licenses.map(({ spdxId, name }) =>
      spdxId === undefined || OWN_REFERENCE.test(spdxId)
        ? this.#define(name ?? spdxId ?? "")
        : spdxId,
    );
    return all.length === 0 ? NOASSERTION : [...new Set(all)].join(" AND ");
  }

  #define(name: string): string {
    const id = `LicenseRef-${name.replace(/[^A-Za-z0-9.]+/g, "-").replace(/^-+|-+$/g, "") || "unnamed"}`;
    const known = this.#defined.get(id);
    if (known === undefined || known === name) {
      this.#defined.set(id, name);
      return id;
    }
    // Two names that differ only in characters that an identifier cannot have.
    let number = 2;
    while ((this.#defined.get(`${id}-${number}`) ?? name) !== name) number += 1;
    this.#defined.set(`${id}-${number}`, name);
    return `${id}-${number}`;
  }

  extracted() {
    if (this.#defined.size === 0) return {};
    return {
      hasExtractedLicensingInfos: [...this.#defined].map(([licenseId, name]) => ({
        licenseId,
        name,
        extractedText: `The package set calls this licence "${name}"; its text is not known.`,
      })),
    };
  }
}

/** A hash in the form of a version 8 UUID (RFC 9562, section 5.8). */
function uuidOf(hash: string): string {
  const text = `${hash.slice(0, 12)}8${hash.slice(13, 16)}8${hash.slice(17, 32)}`;
  return [0, 8, 12, 16, 20].map((start, at, all) => text.slice(start, all[at + 1] ?? 32)).join("-");
}
