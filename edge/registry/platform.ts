/**
 * The platforms with which a client is answered, by the image's name and the request's headers:
 *
 *   arm64/git, or one system in SYSTEMS   a manifest for that system
 *   an index is accepted by its type      an index of all of SYSTEMS; docker's User-Agent tells
 *                                         which of them is waited for first
 *   otherwise                             a manifest for the system that the User-Agent tells, or
 *                                         the first of SYSTEMS
 */
import { MANIFEST_TYPES } from "../contract/media-types.ts";
import { platformName, PLATFORMS, type System, SYSTEMS } from "../contract/records.ts";
import type { WantedSystems } from "../pull/wanted-systems.ts";
import { isIndex, negotiate } from "./negotiation.ts";

/** The parts of an image's name and a request that matter for it. */
export interface Client {
  readonly pinned: System | undefined;
  readonly accept: string | null;
  readonly userAgent: string | null;
}

/** `systems`: SYSTEMS. */
export function wantedSystems(
  systems: readonly [System, ...System[]],
  { pinned, accept, userAgent }: Client,
): WantedSystems {
  if (pinned !== undefined) return one(pinned);
  const [first, ...others] = systems;
  if (others.length === 0) return one(first);
  const told = systems.find((system) => system === systemOf(userAgent));
  return isIndex(negotiate(accept, MANIFEST_TYPES))
    ? { all: systems, asked: told, only: false }
    : one(told ?? first);
}

const one = (system: System): WantedSystems => ({ all: [system], asked: system, only: true });

/**
 * The system of the machine on which docker's daemon runs, from its User-Agent, whatever
 * `--platform` is: `docker/28.0.4 go/go1.23.7 git-commit/6430e49 kernel/6.1.0 os/linux arch/arm64
 * UpstreamClient(…)`. Undefined for every other client: none of them tells.
 */
export function systemOf(userAgent: string | null): System | undefined {
  const told = ARCHITECTURE.exec(userAgent ?? "")?.[1];
  return SYSTEMS.find((system) => PLATFORMS[system].architecture === told);
}

const ARCHITECTURE = / arch\/([a-z0-9]+)(?: |$)/;

/**
 * A warning for a person whose machine has another architecture than the image; otherwise
 * undefined.
 */
export function otherMachine(
  { pinned, userAgent }: Client,
  { asked, only }: WantedSystems,
): string | undefined {
  const machine = systemOf(userAgent);
  if (pinned !== undefined || !only || asked === undefined) return undefined;
  if (machine === undefined || machine === asked) return undefined;
  return `this image is for ${platformName(asked)}, and this machine is ${platformName(machine)}`;
}

/** A warning that the image lacks a platform. */
export const lacking = (system: System, reason: string): string =>
  `this image is not available for ${platformName(system)}: ${reason}`;
