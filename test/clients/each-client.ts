/** Clients side by side, each with a proxy of its own in front of the registry. */
import { after, before, describe } from "node:test";
import { unavailable } from "../harness/available.ts";
import { type Front, startFront } from "../harness/clients/front.ts";
import type { Client, ClientKind } from "../harness/clients/index.ts";

export interface Given {
  readonly kind: ClientKind;
  /** Why its tests cannot run here, or false; client and front are there while a test runs. */
  readonly skip: false | string;
  readonly client: Client;
  readonly front: Front;
}

/** A suite for each client of a registry, whose URL is asked for when the suites begin. */
export function forEachClient(
  { kinds, url }: { readonly kinds: readonly ClientKind[]; readonly url: () => string },
  tests: (given: Given) => void,
): void {
  for (const kind of kinds) {
    describe(kind.name, { concurrency: 1 }, async () => {
      const skip = await unavailable(kind.needs, { root: true });
      let client: Client | undefined;
      let front: Front | undefined;
      const ready = <T>(part: T | undefined): T => {
        if (part === undefined) throw new Error(`${kind.name} was not started`);
        return part;
      };
      before(async () => {
        if (skip !== false) return;
        front = await startFront(url());
        client = await kind.open();
      });
      after(async () => {
        await client?.close();
        await front?.stop();
      });
      tests({
        kind,
        skip,
        get client() {
          return ready(client);
        },
        get front() {
          return ready(front);
        },
      });
    });
  }
}
