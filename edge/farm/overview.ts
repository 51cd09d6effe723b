/** What operators see of a farm. */
import type { Control } from "./controls.ts";
import type { OriginFacts } from "./origin-facts.ts";
import type { Lane } from "./schedule/state.ts";

export interface OriginOverview extends OriginFacts {
  /** When it was last heard of, ms since 1970. */
  readonly seen: number;
  /** Jobs that it holds. */
  readonly held: Readonly<Record<Lane, number>>;
  readonly drained: boolean;
}

export interface FarmOverview {
  readonly origins: readonly OriginOverview[];
  /** Names that an operator has revoked or drained, connected or not. */
  readonly controls: readonly { readonly name: string; readonly control: Control }[];
  /** Items that wait for an origin. */
  readonly queued: Readonly<Record<Lane, number>>;
  readonly jobs: number;
}
