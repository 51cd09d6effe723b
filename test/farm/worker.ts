/**
 * The real Worker, with a farm that notices lost origins sooner than a test's reader would wait.
 */
import { Farm as RealFarm } from "../../edge/farm/farm.ts";

export { default, Build, Housekeeping, Totals } from "../../edge/worker.ts";

export class Farm extends RealFarm {
  override get times() {
    return { ...super.times, accept: 2_000, reconnect: 3_000, lease: 25_000, avoid: 500 };
  }
}
