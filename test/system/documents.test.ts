/**
 * The bill of materials of an image that Nix has built: what the package set says of the package and
 * of what it depends on, the same bytes from two Firns that share only the set.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Firn, firnUnavailable, startFirn } from "../harness/firn.ts";
import { pullBlob, pullManifest, type Descriptor } from "../harness/registry-client.ts";
import { removeTree, tempDir } from "../harness/temp.ts";
import { type TinySet, tinySet } from "./tiny-set.ts";

const skip = await firnUnavailable();

const ATTRIBUTES = `
  frost = mkWith "frost-2.0" { outputs = [ "out" "lib" ]; } "mkdir $out $lib; echo cold > $lib/frost" // {
    meta = { license = { spdxId = "Zlib"; }; homepage = "https://example.org/frost"; };
  };
  snow = mk "snow-1.5" "mkdir -p $out/bin; ln -s \${frost.lib}/frost $out/bin/snow" // {
    meta = { license = [ { spdxId = "MIT"; } { spdxId = "Apache-2.0"; } ]; };
  };
`;

interface Spdx {
  readonly packages: readonly Readonly<Record<string, unknown>>[];
}

async function billOf(firn: Firn): Promise<string> {
  const { digest } = await pullManifest(firn.url, "snow");
  const answer = await fetch(
    `${firn.url}/v2/snow/referrers/${digest}?artifactType=application/spdx%2Bjson`,
  );
  const { manifests } = (await answer.json()) as { manifests: Descriptor[] };
  const [only] = manifests;
  assert.ok(only !== undefined && manifests.length === 1);
  const { manifest } = await pullManifest(firn.url, "snow", only.digest);
  return String(await pullBlob(firn.url, "snow", manifest.layers[0] as Descriptor));
}

describe("documents of what Nix has built", { skip }, () => {
  let root: string;
  let set: TinySet;
  let firns: Firn[] = [];
  before(async () => {
    root = await tempDir("documents");
    set = await tinySet(root, ATTRIBUTES);
    const start = () => startFirn({ packageSet: set.spec, originEnv: set.originEnv });
    firns = await Promise.all([start(), start()]);
  });
  after(async () => {
    await Promise.all(firns.map((firn) => firn.stop()));
    await removeTree(root);
  });

  test("licences of the package and of what it depends on", async () => {
    const [bill, again] = await Promise.all(firns.map(billOf));
    const { packages } = JSON.parse(bill ?? "") as Spdx;
    const find = (name: string) => packages.findLast((one) => one["name"] === name);
    assert.equal(find("snow")?.["licenseDeclared"], "MIT AND Apache-2.0");
    assert.equal(find("snow")?.["comment"], undefined);
    const frost = find("frost");
    assert.deepEqual(
      [frost?.["versionInfo"], frost?.["licenseDeclared"], frost?.["homepage"]],
      ["2.0", "Zlib", "https://example.org/frost"],
    );
    assert.match(String(frost?.["comment"]), /has this name and version/);
    assert.equal(again, bill, "whichever Firn made it");
  });
});
