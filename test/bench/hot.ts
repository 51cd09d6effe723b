/**
 * Requests per second for a known manifest: `hot.tag` by tag (an index of both platforms),
 * `hot.digest` by digest, beside `limit.constant`, a Worker in the same workerd that answers a
 * constant of a manifest's length.
 */
import { pullManifest } from "../harness/registry-client.ts";
import { SYSTEMS } from "../../edge/contract/records.ts";
import { withFirn } from "./firn.ts";
import { load } from "./load.ts";
import type { Part } from "./part.ts";

const IMAGE = "shell";
const CONNECTIONS = 16;
/** The loads take turns, so that whatever else the machine does hits them alike. */
const RUNS = 5;
const RUN_SECONDS = 2;
/** About as long as a manifest. */
const CONSTANT =
  'const body = "x".repeat(5000); export default { fetch: () => new Response(body) };';
/** As docker has them, which then gets an index. */
const ACCEPT = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

export const hot: Part = {
  groups: ["hot", "limit"],
  needs: [],
  run: ({ runs = RUNS, signal }, report) =>
    withFirn(
      { beside: { constant: CONSTANT }, edgeEnv: { SYSTEMS: SYSTEMS.join() } },
      async (firn) => {
        const { digest } = await pullManifest(firn.url, IMAGE);
        const urls = {
          "hot.tag": `${firn.url}/v2/${IMAGE}/manifests/latest`,
          "hot.digest": `${firn.url}/v2/${IMAGE}/manifests/${digest}`,
          "limit.constant": `${firn.edge.beside["constant"]}/`,
        };
        const rates = new Map<string, number[]>(Object.keys(urls).map((name) => [name, []]));
        for (let run = 0; run <= runs; run++) {
          for (const [name, url] of Object.entries(urls)) {
            signal.throwIfAborted();
            const rate = await load({
              url,
              connections: CONNECTIONS,
              seconds: RUN_SECONDS,
              headers: { accept: ACCEPT },
            });
            // The first run warms everything up.
            if (run > 0) rates.get(name)?.push(rate);
          }
        }
        const limit = { name: "limit.constant", values: rates.get("limit.constant") ?? [] };
        for (const [name, values] of rates)
          report({
            name,
            unit: "req/s",
            values,
            ...(name === limit.name ? {} : { yardstick: limit }),
          });
      },
    ),
};
