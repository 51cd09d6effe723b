import type { WORLD as World } from "../../../contract/farm-state.ts";

/** The region of a registry that has no others. (farm-state.ts itself would bring its schemas.) */
export const WORLD: typeof World = "world";
