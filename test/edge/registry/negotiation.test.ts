import assert from "node:assert/strict";
import { test } from "node:test";
import { negotiate } from "../../../edge/registry/negotiation.ts";
import {
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  OCI_INDEX,
  OCI_MANIFEST,
} from "../../../edge/contract/media-types.ts";

const plain = [DOCKER_MANIFEST, OCI_MANIFEST];
const indexed = [DOCKER_MANIFEST, OCI_MANIFEST, OCI_INDEX];
const docker20 = [
  DOCKER_MANIFEST_LIST,
  OCI_INDEX,
  "application/vnd.docker.distribution.manifest.v1+prettyjws",
  "application/json",
  DOCKER_MANIFEST,
  OCI_MANIFEST,
];
const containerd = [DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, OCI_MANIFEST, OCI_INDEX, "*/*"].join(
  ", ",
);

const table: [what: string, accept: string | null, offers: string[], chosen: string | null][] = [
  ["no header", null, plain, OCI_MANIFEST],
  ["an empty header", "", plain, OCI_MANIFEST],
  ["curl", "*/*", plain, OCI_MANIFEST],
  ["any application type", "application/*", plain, OCI_MANIFEST],
  ["no header, with an index", null, indexed, OCI_MANIFEST],
  ["curl, with an index", "*/*", indexed, OCI_MANIFEST],
  ["OCI alone", OCI_MANIFEST, plain, OCI_MANIFEST],
  ["docker alone", DOCKER_MANIFEST, plain, DOCKER_MANIFEST],
  ["docker exactly, the rest by a wildcard", `*/*, ${DOCKER_MANIFEST}`, plain, DOCKER_MANIFEST],
  ["docker 20.10", docker20.join(", "), plain, OCI_MANIFEST],
  ["docker 20.10, with an index", docker20.join(","), indexed, OCI_INDEX],
  ["containerd", containerd, plain, OCI_MANIFEST],
  ["containerd, with an index", containerd, indexed, OCI_INDEX],
  [
    "an old docker",
    "application/vnd.docker.distribution.manifest.v1+prettyjws, application/json, " +
      "application/vnd.docker.distribution.manifest.v2+json",
    plain,
    DOCKER_MANIFEST,
  ],
  ["q values", `${OCI_MANIFEST};q=0.5, ${DOCKER_MANIFEST};q=0.9`, plain, DOCKER_MANIFEST],
  [
    "q of a wildcard above q of an exact type",
    `${OCI_MANIFEST};q=0.2, */*;q=0.8`,
    plain,
    DOCKER_MANIFEST,
  ],
  ["the more specific wildcard", "application/*;q=0.5, */*;q=0", plain, OCI_MANIFEST],
  ["q=0", `${OCI_MANIFEST};q=0, */*`, plain, DOCKER_MANIFEST],
  ["q=0 for all", "*/*;q=0", plain, null],
  ["q=0.000", `${OCI_MANIFEST};q=0.000`, plain, null],
  ["nothing on offer", "text/html", plain, null],
  ["only indexes, none there", `${OCI_INDEX}, ${DOCKER_MANIFEST_LIST}`, plain, null],
  [
    "parameters and capitals",
    `${DOCKER_MANIFEST.toUpperCase()} ; charset=utf-8 ; Q=1.0`,
    plain,
    DOCKER_MANIFEST,
  ],
  [
    "malformed pieces",
    `;q=1, /, text, */json, ${DOCKER_MANIFEST};q=2, ,${DOCKER_MANIFEST};q=0.3`,
    plain,
    DOCKER_MANIFEST,
  ],
  ["nothing but malformed pieces", "???, ;;;", plain, OCI_MANIFEST],
  [
    "one type twice",
    `${DOCKER_MANIFEST};q=0.1, ${OCI_MANIFEST};q=0.5, ${DOCKER_MANIFEST};q=0.9`,
    plain,
    DOCKER_MANIFEST,
  ],
];
for (const [what, accept, offers, chosen] of table) {
  test(`${what}: ${chosen ?? "nothing"}`, () => {
    assert.equal(negotiate(accept, offers), chosen);
    assert.equal(negotiate(accept, offers.toReversed()), chosen, "the order of the offers counted");
    if (accept !== null)
      assert.equal(
        negotiate(accept.split(",").toReversed().join(","), offers),
        chosen,
        "the order of the header counted",
      );
  });
}
