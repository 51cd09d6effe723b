/**
 * Decides whether an origin that has said hello may work for this edge, and what it may do. What it
 * says about itself counts only within what ORIGINS allows:
 *
 *   hello    systems x86_64-linux, aarch64-linux   slots 8   revisions latest, nixos-25.11
 *   ORIGINS  systems x86_64-linux                  slots 4   tags latest
 *   counts   x86_64-linux                          4         latest
 */
import { CLOSE, type FromOrigin, PROTOCOL_VERSION } from "../../contract/messages.ts";
import type { PackageSetSpec } from "../../contract/package-set.ts";
import { type ConfiguredOrigin, mayResolve, mayServe } from "./configured-origins.ts";

export type Hello = Extract<FromOrigin, { type: "hello" }>;

/** The edge's own configuration. */
export interface AdmissionRules {
  readonly packageSet: Pick<PackageSetSpec, "id" | "label">;
  /** Whether the edge has credentials to sign uploads with. */
  readonly signsUploads: boolean;
  /** Whether it takes only origins whose builds are sandboxed. */
  readonly sandboxedOnly: boolean;
}

export type Admission =
  | { readonly hello: Hello }
  /** `code`: for the close frame. `reason`: for both operators. */
  | { readonly code: number; readonly refused: string };

/** Decides about one hello. Pure. */
export function admit(hello: Hello, origin: ConfiguredOrigin, rules: AdmissionRules): Admission {
  const reason = mismatch(hello, origin, rules) ?? unsafe(hello, rules);
  if (reason !== undefined) return { code: CLOSE.mismatch, refused: reason };
  return {
    hello: {
      ...hello,
      systems: allowedSystems(hello, origin),
      slots: Math.min(hello.slots, origin.slots ?? hello.slots),
      revisions: hello.revisions.filter(({ tag }) => mayResolve(origin, tag)),
    },
  };
}

function mismatch(
  hello: Hello,
  origin: ConfiguredOrigin,
  { packageSet, signsUploads }: AdmissionRules,
): string | undefined {
  const { protocol, packageSet: theirs, systems } = hello;
  if (protocol !== PROTOCOL_VERSION)
    return `the edge speaks protocol ${PROTOCOL_VERSION}, this origin ${protocol}`;
  if (theirs.id !== packageSet.id || theirs.label !== packageSet.label)
    return `the edge serves package set ${packageSet.label}, this origin ${theirs.label}`;
  if (!mayServe(origin, theirs.label))
    return `the edge's ORIGINS does not let ${origin.name} serve package set ${theirs.label}`;
  if (allowedSystems(hello, origin).length === 0)
    return (
      `the edge's ORIGINS lets ${origin.name} build for ${origin.systems?.join(", ")}, ` +
      `it builds for ${systems.join(", ")}`
    );
  if (!signsUploads && !hello.ownBucket)
    return (
      "this edge cannot sign uploads: set S3_ENDPOINT and the rest of S3_* there, " +
      "or at this origin"
    );
  return undefined;
}

/**
 * Clients choose what is built, so the sandbox is all that separates a build from the origin's
 * machine and from its other builds.
 */
function unsafe(
  { sandbox, nixVulnerable, nix }: Hello,
  { sandboxedOnly }: AdmissionRules,
): string | undefined {
  if (!sandboxedOnly) return undefined;
  if (!sandbox)
    return (
      "other machines reach this edge: it takes no origin that builds without a sandbox " +
      "(ALLOW_UNSAFE_ORIGINS)"
    );
  if (nixVulnerable)
    return (
      `other machines reach this edge: it takes no Nix whose sandbox leaks, as ${nix} ` +
      `(ALLOW_UNSAFE_ORIGINS)`
    );
  return undefined;
}

const allowedSystems = ({ systems }: Hello, origin: ConfiguredOrigin): Hello["systems"] =>
  systems.filter((system) => origin.systems?.includes(system) ?? true);
