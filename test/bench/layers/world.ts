/**
 * What the simulator runs on: a package set's reference graph and what every image, and every image
 * with a shell, holds.
 */
import type { GraphNode } from "../../../origin/plan/graph.ts";

export interface World {
  /** Name of the graph in the figures: `starter`, `debian`. */
  readonly name: string;
  readonly nodes: readonly GraphNode[];
  /** Attributes that `shell` stands for. */
  readonly shell: readonly string[];
  /** Attributes that are in every image. */
  readonly base: readonly string[];
}
