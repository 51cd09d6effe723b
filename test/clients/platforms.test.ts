/**
 * Every client pulls one name for two platforms, from a registry that had neither image, and the
 * images of both work: arm64's under qemu.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { PLATFORMS, type System } from "../../edge/contract/records.ts";
import { which } from "../../origin/local/needs.ts";
import { QEMU } from "../harness/clients/client.ts";
import { CLIENTS } from "../harness/clients/index.ts";
import { unavailable } from "../harness/available.ts";
import { type Firn, firnUnavailable, startFirn } from "../harness/firn.ts";
import { pullManifest } from "../harness/registry-client.ts";
import { forEachClient } from "./each-client.ts";

const AMD64: System = "x86_64-linux";
const ARM64: System = "aarch64-linux";
const INDEX = "application/vnd.oci.image.index.v1+json";
/** Where qemu is in the containers. */
const EMULATOR = "/qemu";

const skip =
  (await firnUnavailable()) ||
  (await unavailable([QEMU])) ||
  (process.arch === "x64" ? false : "runs arm64 images on an amd64 machine");

/** For each client a package that nobody else pulls, and what its program prints. */
const PACKAGES: Readonly<Record<string, readonly [string, readonly string[], RegExp]>> = {
  docker: ["hello", ["/bin/hello"], /^Hello, world!$/m],
  containerd: ["jq", ["/bin/jq", "--null-input", "6 * 7"], /^42$/m],
  buildah: ["tree", ["/bin/tree", "--version"], /^tree v/m],
  podman: ["gawk", ["/bin/gawk", "BEGIN { print 6 * 7 }"], /^42$/m],
  skopeo: ["sqlite", ["/bin/sqlite3", ":memory:", "select 6 * 7"], /^42$/m],
};

describe("one name for two platforms", { skip, concurrency: true }, () => {
  let firn: Firn;
  let emulator: string;
  before(async () => {
    emulator = (await which(QEMU.command)) ?? "";
    // So long that the slower platform is always there: what is tested is not time.
    firn = await startFirn({ edgeEnv: { SYSTEMS: `${AMD64},${ARM64}`, PLATFORM_WAIT: "300" } });
  });
  after(() => firn?.stop());
  afterEach((context) => {
    if ("passed" in context && !context.passed) process.stderr.write(`${firn.log()}\n`);
  });

  forEachClient({ kinds: CLIENTS, url: () => firn.url }, (given) => {
    const { skip: missing } = given;
    const [name, command, output] = PACKAGES[given.kind.name] ?? assert.fail(given.kind.name);
    /** Which also tells the platform: qemu runs no amd64 program, and this kernel no arm64 one. */
    const runs = async (image: string, platform: string): Promise<void> => {
      const isForeign = platform.endsWith("arm64");
      const { exitCode, stdout, stderr } = await given.client.run(
        image,
        isForeign ? [EMULATOR, ...command] : command,
        { platform, ...(isForeign ? { mounts: { [emulator]: EMULATOR } } : {}) },
      );
      assert.equal(exitCode, 0, stderr);
      assert.match(stdout, output);
    };

    test(
      "the other platform, of an image that nobody asked for before, works",
      { skip: missing },
      async () => {
        const image = `${firn.host}/${name}`;
        await given.client.pull(image, "linux/arm64");
        await runs(image, "linux/arm64");
      },
    );

    test("then this machine's own, without saying so", { skip: missing }, async () => {
      const image = `${firn.host}/${name}`;
      await given.client.pull(image);
      await runs(image, "linux/amd64");
    });

    // docker 20.10 keeps one image for a digest, so only one platform.
    test("the other platform, by the digest of the index", { skip: missing }, async () => {
      const { digest } = await pullManifest(firn.url, name, "latest", INDEX);
      const image = `${firn.host}/${name}@${digest}`;
      await given.client.pull(image, "linux/arm64");
      await runs(image, "linux/arm64");
    });

    for (const system of [AMD64, ARM64]) {
      const { architecture } = PLATFORMS[system];
      test(`${architecture}/ in the name pins`, { skip: missing }, async () => {
        const image = `${firn.host}/${architecture}/${name}`;
        await given.client.pull(image, `linux/${architecture}`);
        assert.equal(await given.client.architecture(image), architecture);
        await runs(image, `linux/${architecture}`);
      });
    }
  });
});
