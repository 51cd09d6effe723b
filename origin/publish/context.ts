/** What a job that publishes packages needs. */
import type { Sign } from "../../edge/contract/signatures.ts";
import type { LayerStore } from "../layers/index.ts";
import type { NixLimits } from "../nix/limits.ts";
import type { Closure, PackageSet } from "../nix/types.ts";
import type { PlanStore } from "../plan/plans.ts";

export interface PublishContext {
  readonly packageSet: Pick<PackageSet, "build">;
  /** Finds metadata of dependencies; without it, packages are published without. */
  readonly metadata?: PackageSet["metadata"] | undefined;
  /** Reads a closure; default: from Nix's database. */
  readonly readClosure?: ((roots: readonly string[]) => Promise<Closure>) | undefined;
  readonly layers: LayerStore;
  readonly plans: PlanStore;
  /** Version of this machine's Nix. */
  readonly nix: string;
  /** Whether layers are also made with zstd. */
  readonly zstd: boolean;
  readonly sign: Sign;
  readonly signal: AbortSignal;
  /** What is built is held until it aborts. */
  readonly settled?: AbortSignal | undefined;
  /** What a package may cost. */
  readonly limits?: Partial<NixLimits> | undefined;
  /** The build that the job is for: in the environment of its Nix. */
  readonly trace?: string | undefined;
  /** One line of Nix's output. */
  readonly log: (line: string) => void;
}

/** Longest message of a failure, characters. */
export const MAX_MESSAGE = 2_000;
