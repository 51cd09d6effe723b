/** Every store path that the image `shell` of the starter set needs, built. */
import { join } from "node:path";
import { parseImageName } from "../../edge/contract/names.ts";
import { nixConfig } from "../../origin/local/nix-config.ts";
import { queryClosure } from "../../origin/nix/build/closure.ts";
import { openPackageSet } from "../../origin/nix/package-set.ts";
import type { StorePathInfo } from "../../origin/nix/types.ts";
import { removeTree, tempDir } from "../harness/temp.ts";

const SYSTEM = "x86_64-linux";
/** Seconds for the first build of all of it. */
const NIX_TIMEOUT = 600;

export async function shellClosure(): Promise<StorePathInfo[]> {
  process.env["NIX_CONFIG"] = await nixConfig(process.env, true);
  const root = await tempDir("bench");
  const signal = new AbortController().signal;
  const logger = {
    info: () => {},
    warn: () => {},
    error: (facts: unknown) => process.stderr.write(`${JSON.stringify(facts)}\n`),
  };
  try {
    const set = await openPackageSet("starter", {
      stateDir: join(root, "sets"),
      systems: [SYSTEM],
      nixTimeout: NIX_TIMEOUT,
      logger,
    });
    const { names } = parseImageName("shell");
    const outcomes = await set.build(
      { revision: await set.resolve("latest", signal), system: SYSTEM, names: [...names] },
      { signal, log: () => {} },
    );
    const paths = outcomes.map((outcome) => {
      if (outcome.kind === "failure")
        throw new Error(`${outcome.name}: ${outcome.failure.message}`);
      return outcome.package.storePath;
    });
    return [...(await queryClosure(paths)).values()];
  } finally {
    await removeTree(root);
  }
}
