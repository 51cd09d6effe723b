/**
 * Builds one package of a path set with a farm's cache: a program, so that sharing.test.ts can run
 * it where /nix is another one. Prints the outcome as JSON, the log of the build before it.
 * Arguments: package set, name, state directory, URL of the bucket, trusted keys.
 */
import { openFarmCache } from "../../../../origin/nix/cache/index.ts";
import { openPackageSet } from "../../../../origin/nix/package-set.ts";
import { edgeHere } from "../../layers/edge-requests.ts";
import { quiet, signal, system } from "../support.ts";

const [spec = "", name = "", stateDir = "", bucket = "", keys = ""] = process.argv.slice(2);
const logger = {
  ...quiet,
  debug: () => {},
  warn: (of: unknown) => console.log(JSON.stringify(of)),
};
const cache = await openFarmCache({
  directory: stateDir,
  key: undefined,
  trustedKeys: keys.split(" "),
  requests: () => ({
    store: () => Promise.reject(new Error("a reader stores nothing")),
    url: (key) => Promise.resolve(`${bucket}/${key}`),
  }),
  destinations: edgeHere(),
  logger,
});
const set = await openPackageSet(spec, {
  stateDir,
  systems: [system],
  logger: quiet,
  cache: cache.hooks,
});
const revision = await set.resolve("latest", signal);
const request = { revision, system, names: [name] } as const;
const [outcome] = await set.build(request, { signal, log: (line) => console.log(line) });
console.log(JSON.stringify(outcome));
await cache.close();
