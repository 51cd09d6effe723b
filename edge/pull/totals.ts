/**
 * The Totals object (Durable Object), one for the registry: counts what all clients together use,
 * in all locations.
 *
 * Isolates call it behind their answers, so no pull waits for it. An isolate refuses pulls by the
 * last result that it received (limits.ts), so together they may exceed a limit by what they do in
 * the tenths of a second until they learn of it.
 */
import { DurableObject } from "cloudflare:workers";
import type { Limit, Limited } from "../access/limits.ts";
import type { Env, TotalsRpc } from "../env.ts";

interface Window {
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly used: number;
}

export class Totals extends DurableObject<Env> implements TotalsRpc {
  /**
   * Adds one. Returns the time when there is more again, milliseconds since 1970; 0 while the limit
   * is not used up. A window begins with its first use, and survives the eviction of this object.
   */
  async add(name: Limited, { count, seconds }: Limit): Promise<number> {
    const now = Date.now();
    const known = await this.ctx.storage.get<Window>(name);
    const isOpen = known !== undefined && now < known.start + seconds * 1_000;
    const window = { start: isOpen ? known.start : now, used: (isOpen ? known.used : 0) + 1 };
    await this.ctx.storage.put(name, window);
    return window.used < count ? 0 : window.start + seconds * 1_000;
  }
}
