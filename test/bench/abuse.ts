/**
 * Honest clients in a crowd: known images by tag and by digest over 36 connections, while 28 others
 * ask for blobs, new images and nonsense, hang up, and flood from one address
 * (test/abuse/crowd.ts).
 *
 *   abuse.load.hits    hits a second in the crowd, as a share of an idle edge's
 *   abuse.load.wrong   answers that were wrong: status, length, or bytes that are not the digest's
 *   abuse.load.flood   share of the flood's answers that are 429
 */
import { ADDRESS_HEADER, crowd, startCrowdedEdge } from "../abuse/crowd.ts";
import { drive, type Group, type Traffic } from "../abuse/traffic.ts";
import type { Part } from "./part.ts";

const CROWD_SECONDS = 30;
const IDLE_SECONDS = 5;
const WARM_SECONDS = 2;

export const abuse: Part = {
  groups: ["abuse"],
  needs: [],
  async run({ runs = 1, signal }, report) {
    const [hits, wrong, flood]: number[][] = [[], [], []];
    for (let run = 0; run < runs; run += 1) {
      signal.throwIfAborted();
      // A new edge each time: limits are counted for an hour.
      const firn = await startCrowdedEdge();
      try {
        const { hits: honest, others } = await crowd(firn);
        const during = (seconds: number, groups: readonly Group[]) =>
          drive({ url: firn.url, addressHeader: ADDRESS_HEADER, seconds, groups });
        await during(WARM_SECONDS, honest);
        const before = hitsIn(await during(IDLE_SECONDS, honest)) / IDLE_SECONDS;
        const crowded = await during(CROWD_SECONDS, [...honest, ...others]);
        const after = hitsIn(await during(IDLE_SECONDS, honest)) / IDLE_SECONDS;
        hits?.push(hitsIn(crowded) / CROWD_SECONDS / ((before + after) / 2));
        wrong?.push(crowded.reduce((sum, { wrongCount }) => sum + wrongCount, 0));
        const { answers = {} } = crowded.find(({ name }) => name === "flood") ?? {};
        flood?.push((answers[429] ?? 0) / Object.values(answers).reduce((sum, n) => sum + n, 0));
      } finally {
        await firn.stop();
      }
    }
    report({ name: "abuse.load.hits", unit: "of idle", values: hits ?? [] });
    report({ name: "abuse.load.wrong", unit: "answers", values: wrong ?? [] });
    report({ name: "abuse.load.flood", unit: "are 429", values: flood ?? [] });
  },
};

const hitsIn = (traffic: readonly Traffic[]): number =>
  traffic.find(({ name }) => name === "hits")?.answers[200] ?? 0;
