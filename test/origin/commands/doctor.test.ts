/** `firn doctor`: each finding with its cure, and an exit status that tells of faults. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { once } from "node:events";
import { chmod } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { unavailable } from "../../harness/available.ts";
import { removeTree } from "../../harness/temp.ts";
import { ORIGIN_NEEDS } from "../../../origin/local/needs.ts";
import { makePlace, type Place } from "./place.ts";

interface Finding {
  readonly subject: string;
  readonly health: string;
  readonly text: string;
  readonly cure?: string;
}

const skip = await unavailable(ORIGIN_NEEDS);

describe("firn doctor", { skip }, () => {
  let place: Place;
  let server: Server;
  let url: string;
  /** What the server says, and the time by its clock. */
  let answer = { registry: true, date: new Date() };
  before(async () => {
    place = await makePlace("doctor");
    server = createServer((_request, response) => {
      if (answer.registry) response.setHeader("docker-distribution-api-version", "registry/2.0");
      response.setHeader("date", answer.date.toUTCString()).end("{}");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(async () => {
    server.close();
    server.closeAllConnections();
    await removeTree(place.root);
  });
  const base = (): Record<string, string> => ({ FIRN_STATE: join(place.root, "state"), PORT: "0" });
  const examine = async (env: Record<string, string> = {}) => {
    const ran = await place.firnText(["doctor", "--json"], { ...base(), ...env });
    const { findings } = JSON.parse(ran.stdout) as { findings: Finding[] };
    return { ...ran, of: (subject: string) => findings.filter((one) => one.subject === subject) };
  };

  test("what is well is said, with status 0, and nothing has a cure that needs none", async () => {
    const made = await examine({ FIRN_EDGE: url });
    assert.equal(made.exitCode, 0, made.stdout);
    for (const subject of ["versions", "programs", "disk", "state", "edge", "clock", "package set"])
      for (const { health, cure } of made.of(subject))
        assert.deepEqual([subject, health, cure], [subject, "ok", undefined]);
    assert.equal(made.of("clock").length, 1);
    const shown = await place.firnText(["doctor"], base());
    assert.match(shown.stdout, /^ok {4}versions: Firn /m);
  });

  for (const [what, subject, prepare, text, cure] of [
    [
      "an edge that is not there",
      "edge",
      async () => ({ FIRN_EDGES: "ws://127.0.0.1:22222" }),
      /cannot be reached/,
      /FIRN_EDGES/,
    ],
    [
      "an edge that is none",
      "edge",
      async () => ((answer = { registry: false, date: new Date() }), { FIRN_EDGE: url }),
      /so it is not a registry/,
      /proxy/,
    ],
    [
      "a clock that is off",
      "clock",
      async () => (
        (answer = { registry: true, date: new Date(Date.now() - 90_000) }),
        { FIRN_EDGE: url }
      ),
      /8\d|9\d s ahead/,
      /NTP/,
    ],
    [
      "a package set of no known kind",
      "package set",
      async () => ({ PACKAGE_SET: "nixpkgs" }),
      /is unknown/,
      /PACKAGE_SET/,
    ],
    [
      "a state directory that is a file",
      "state",
      async () => ({ FIRN_STATE: join(place.root, "policy.json") }),
      /cannot be written/,
      /FIRN_STATE/,
    ],
    [
      "a key that is none",
      "key",
      async () => ({ ORIGIN_KEY_FILE: join(place.root, "policy.json") }),
      /Ed25519/,
      /firn keygen/,
    ],
    [
      "a bucket that is not there",
      "bucket",
      async () => ({
        S3_ENDPOINT: "http://127.0.0.1:22222",
        S3_BUCKET: "b",
        S3_ACCESS_KEY_ID: "a",
        S3_SECRET_ACCESS_KEY: "s",
      }),
      /cannot be read/,
      /S3_ENDPOINT/,
    ],
    [
      "a port that is taken",
      "port",
      async () => ({ PORT: String((server.address() as AddressInfo).port), FIRN_EDGE: "" }),
      /in use/,
      /PORT/,
    ],
  ] as const) {
    test(`${what} is a fault of the ${subject}, with its cure`, async () => {
      answer = { registry: subject !== "port", date: new Date() };
      const made = await examine(await prepare());
      assert.equal(made.exitCode, 3, made.stdout);
      const found = made.of(subject).find(({ health }) => health === "fault");
      assert.match(found?.text ?? "", text);
      assert.match(found?.cure ?? "", cure);
    });
  }

  test("a key that others can read is a warning; one of its owner's is none", async () => {
    const out = join(place.root, "origin.key");
    await place.firnText(["keygen", "--name", "a", "--out", out]);
    const own = await examine({ ORIGIN_KEY_FILE: out });
    assert.equal(own.of("key")[0]?.health, "ok");
    assert.doesNotMatch(own.stdout, /"d":/);
    await chmod(out, 0o644);
    assert.equal((await examine({ ORIGIN_KEY_FILE: out })).of("key")[0]?.health, "warning");
  });

  test("it changes nothing: a state directory that is not there is not made", async () => {
    const state = join(place.root, "not/there");
    await place.firnText(["doctor"], { FIRN_STATE: state, PORT: "0" });
    assert.ok(!existsSync(join(place.root, "not")));
  });

  test("`npm start` that cannot start says what the doctor finds, and then why", async () => {
    const file = join(place.root, "policy.json");
    const ran = await place.firnText(["start"], { FIRN_STATE: file, PORT: "0" });
    assert.equal(ran.exitCode, 1);
    assert.match(ran.stderr, /FAIL {2}state: .*cannot be written/);
    assert.match(ran.stderr.trimEnd().split("\n").at(-1) ?? "", /^firn: /);
  });
});
