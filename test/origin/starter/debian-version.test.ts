import assert from "node:assert/strict";
import { test } from "node:test";
import { compareVersions, upstreamVersion } from "../../../origin/starter/debian-version.ts";

test("versions are ordered as dpkg orders them", () => {
  const ascending = [
    ["1.0~rc1", "1.0"],
    ["1.0", "1.0-1"],
    ["1.0-1", "1.0-1+b1"],
    ["1.0-1+deb12u1", "1.0-1+deb12u10"],
    ["1.9", "1.10"],
    ["9.0", "1:0.1"],
    ["1.0a", "1.0+"],
    ["1.2.3", "1.2.3a"],
    ["0~", "0"],
    ["12345678901234567890", "12345678901234567891"],
  ] as const;
  for (const [lower, higher] of ascending) {
    assert.ok(compareVersions(lower, higher) < 0, `${lower} < ${higher}`);
    assert.ok(compareVersions(higher, lower) > 0, `${higher} > ${lower}`);
  }
  assert.equal(compareVersions("1.00-1", "1.0-01"), 0);
});

test("a store path is named by upstream's version", () => {
  const expected = {
    "1:2.39.5-0+deb12u3": "2.39.5",
    "5.2.15-2+b13": "5.2.15",
    "22.01+really26.01+dfsg-0+deb12u1": "26.01",
    "1.34+dfsg-1.2": "1.34",
    "1:1.2.13.dfsg-1": "1.2.13",
    "18.20.4+dfsg-1~deb12u2": "18.20.4",
    "2.53-3": "2.53",
    "9.2p1-2+deb12u10": "9.2p1",
    "20230311+deb12u1": "20230311",
  };
  for (const [debian, upstream] of Object.entries(expected))
    assert.equal(upstreamVersion(debian), upstream, debian);
});
