/**
 * Where an image came from: SLSA provenance v1 as an in-toto statement v1. It says what was asked
 * for (packages of a package set at a revision), which derivations made the store paths, and who
 * ran Nix; no times, so that the same image has the same statement.
 */
import { canonicalJson } from "../contract/keys.ts";
import type { Subject } from "./subjects.ts";
import type { ImageContents } from "./contents.ts";

export const SLSA_PREDICATE = "https://slsa.dev/provenance/v1";
export const SPDX_PREDICATE = "https://spdx.dev/Document";
const STATEMENT = "https://in-toto.io/Statement/v1";
/**
 * SLSA's buildType: names the meaning of the parameters and dependencies that are written below.
 */
const BUILD_TYPE = "https://firn.dev/build/image/v1";

/** An in-toto statement about the manifests of one image. */
export const statement = (
  name: string,
  subjects: readonly Subject[],
  predicateType: string,
  predicate: unknown,
): string =>
  canonicalJson({
    _type: STATEMENT,
    subject: subjects.map(({ digest }) => ({
      name,
      digest: { sha256: digest.slice("sha256:".length) },
    })),
    predicateType,
    predicate,
  });

/** The predicate of SLSA provenance v1. */
export function provenance(contents: ImageContents) {
  const { scope, shell, packages, paths, nix, origins } = contents;
  const { packageSet, revision, system, plan } = scope;
  const derivations = new Set([
    ...packages.map(({ derivation }) => derivation),
    ...paths.flatMap(({ deriver }) => deriver ?? []),
  ]);
  return {
    buildDefinition: {
      buildType: BUILD_TYPE,
      externalParameters: {
        packageSet,
        revision,
        system,
        shell,
        packages: packages.map(({ record }) => record.name),
      },
      internalParameters: {
        plan,
        packages: packages.map(({ record, level, derivation, output }) => ({
          name: record.name,
          attribute: record.attribute,
          storePath: record.storePath,
          derivation,
          output,
          level,
        })),
      },
      resolvedDependencies: [
        packageSetOf(contents),
        ...[...derivations].sort().map((path) => ({ uri: `nix-store://${path}` })),
      ],
    },
    runDetails: {
      builder: {
        id: `https://firn.dev/origins/${origins.join("+")}`,
        version: { nix: nix.join(" ") },
      },
    },
  };
}

/**
 * The package set. A revision of a channel or a repository is a git commit; others are Firn's own
 * hashes.
 */
function packageSetOf({ set, scope: { packageSet, revision } }: ImageContents) {
  const named = { name: set.label, uri: `firn:${packageSet}` };
  return set.kind === "channel" || set.kind === "git"
    ? { ...named, digest: { gitCommit: revision } }
    : { ...named, annotations: { revision } };
}
