/**
 * The real Worker, with a farm that notices lost origins sooner than a test's reader would wait. At
 * `/test/at-work` it tells how much work of Farm objects goes on.
 */
import type { Item } from "../../edge/contract/items.ts";
import type { Env } from "../../edge/env.ts";
import { Farm as RealFarm } from "../../edge/farm/farm.ts";
import worker from "../../edge/worker.ts";

export { Build, Housekeeping, Totals } from "../../edge/worker.ts";

/** Work of an object that is no more never ends: it is not waited for, ms. */
const FORGOTTEN = 20_000;
/** When each work began that goes on: calls that were not answered, and what waitUntil was given. */
const works = new Set<{ readonly began: number }>();

function counted<T>(work: Promise<T>): Promise<T> {
  const one = { began: Date.now() };
  works.add(one);
  return work.finally(() => works.delete(one));
}

const atWork = (): number =>
  Array.from(works).filter(({ began }) => Date.now() - began < FORGOTTEN).length;

export class Farm extends RealFarm {
  constructor(ctx: DurableObjectState, env: Env) {
    const waitUntil = ctx.waitUntil.bind(ctx);
    ctx.waitUntil = (work) => waitUntil(counted(work));
    super(ctx, env);
  }
  override get times() {
    return { ...super.times, accept: 2_000, reconnect: 3_000, lease: 25_000, avoid: 500 };
  }
  override fetch(request: Request) {
    return counted(super.fetch(request));
  }
  override request(
    build: string,
    items: readonly Item[],
    asker: Parameters<RealFarm["request"]>[2],
  ) {
    return counted(super.request(build, items, asker));
  }
  override alarm() {
    return counted(super.alarm());
  }
  override webSocketMessage(socket: WebSocket, data: string | ArrayBuffer) {
    return counted(super.webSocketMessage(socket, data));
  }
  override webSocketClose(socket: WebSocket) {
    return counted(super.webSocketClose(socket));
  }
}

export default {
  fetch(request, env, ctx) {
    if (new URL(request.url).pathname === "/test/at-work") return Response.json(atWork());
    return worker.fetch(request, env, ctx);
  },
} satisfies ExportedHandler<Env>;
