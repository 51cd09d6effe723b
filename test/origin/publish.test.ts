/** A publish job with real Nix and a real bucket: what fails fails alone. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { pino } from "pino";
import type { Scope } from "../../edge/contract/keys.ts";
import { openLayerStore } from "../../origin/layers/index.ts";
import { publish } from "../../origin/publish.ts";
import { planStore } from "../../origin/plan/plans.ts";
import { startBucket } from "./layers/local-bucket.ts";
import {
  directoryWith,
  needs,
  open,
  packageSet,
  signal,
  system,
  temporary,
} from "./nix/support.ts";

const SET = packageSet(`
  good = program "good";
  unfit = mk "unfit" "mkdir -p $out/bin; echo > $out/bin/.wh.x";
  needs-unfit = mk "needs-unfit" "mkdir -p $out; ln -s \${unfit}/bin $out/bin";
  broken = mk "broken" "echo no way; exit 1";
`);

test(
  "a package that cannot be packed fails alone, for good and with its reason, and so does what needs it",
  { ...needs("nix-build"), timeout: 120_000 },
  async (t) => {
    const bucket = await startBucket();
    t.after(() => bucket.stop());
    const layers = openLayerStore({
      s3: bucket.access,
      cacheDir: join(temporary(t), "layers"),
      logger: pino({ level: "silent" }),
    });
    t.after(() => layers.close());
    const set = await open(t, `path:${directoryWith(t, SET)}`);
    const names = ["good", "unfit", "needs-unfit", "broken"];
    const scope: Scope = {
      packageSet: set.id,
      revision: await set.resolve("latest", signal),
      system,
      plan: "none",
    };
    const [good, unfit, needsUnfit, broken] = await publish(
      scope,
      names.map((name) => ({ kind: "package", ...scope, name })),
      {
        packageSet: set,
        layers,
        plans: planStore((key) => layers.get(key)),
        zstd: false,
        signal,
        log: () => {},
      },
    );
    assert.ok(good?.kind === "package");
    assert.equal(good.record.name, "good");
    for (const outcome of [unfit, needsUnfit]) {
      assert.ok(outcome?.kind === "failure");
      // Not "error": that would be tried again on another origin.
      assert.equal(outcome.failure.reason, "failed");
      assert.match(
        outcome.failure.message,
        /^it cannot be put into layers: \/nix\/store\/\S+-unfit\/bin\/\.wh\.x cannot be in a layer/,
      );
    }
    assert.ok(broken?.kind === "failure");
    assert.equal(broken.failure.reason, "failed");
    assert.ok(broken.failure.logBlob, "a build that failed has its log");
  },
);
