/** Requests for items: what is already known of them is the answer, the rest goes into the queue. */
import type { Config } from "../../config.ts";
import type { Item } from "../../contract/items.ts";
import { forgetBlob } from "../../store/blobs.ts";
import type { Bucket } from "../../store/bucket.ts";
import { itemKey, type Reply } from "../builds/answer.ts";
import type { Dispatch, DispatchParts } from "./dispatch.ts";
import { takeIn, type Wanted } from "./take-in.ts";

export interface IntakeParts extends DispatchParts {
  readonly dispatch: Dispatch;
  readonly bucket: Bucket;
  readonly config: () => Promise<Pick<Config, "limits" | "queueTotal">>;
}

export class Intake {
  readonly #with: IntakeParts;

  constructor(parts: IntakeParts) {
    this.#with = parts;
  }

  /** A Build object asks for items; idempotent. */
  async request(wanted: Wanted): Promise<Reply> {
    const { dispatch, endings, bucket } = this.#with;
    const { items, lost = [] } = wanted;
    dispatch.dropRevoked();
    for (const { digest } of lost) forgetBlob(digest);
    endings.forgetLost(items, lost, Date.now());
    await endings.forgetWithdrawn(items, bucket, Date.now());
    const reply = await this.#takeIn(wanted);
    await dispatch.schedule();
    return reply;
  }

  /**
   * Queues items that nobody waits for (roll-forward.ts). Returns the keys of those that have not
   * ended; null when they were not taken.
   */
  async inBackground(wantedBy: string, items: readonly Item[]): Promise<readonly string[] | null> {
    const asker = { client: null, purpose: "background", regions: [] } as const;
    const reply = await this.#takeIn({ build: wantedBy, items, ...asker });
    if (reply.state !== "taken") return null;
    return items.map(itemKey).filter((key) => !reply.known.has(key));
  }

  async #takeIn(wanted: Wanted): Promise<Reply> {
    const { limits, queueTotal: total } = await this.#with.config();
    this.#with.origins.refresh();
    const bounds = { perClient: limits.queued?.count ?? null, total };
    return takeIn(wanted, this.#with, bounds, Date.now());
  }
}
