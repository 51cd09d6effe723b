/**
 * `firn build` beside a real registry of the same package set: the same digests, without it, in
 * every form of output, as real tools read them.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { execa } from "execa";
import { OCI_INDEX } from "../../../edge/contract/media-types.ts";
import { temporaryName } from "../../../origin/disk/temporary.ts";
import { NEEDS } from "../../harness/clients/client.ts";
import { docker } from "../../harness/clients/docker.ts";
import { podman } from "../../harness/clients/podman.ts";
import { unavailable } from "../../harness/available.ts";
import { type Firn, firnUnavailable, startFirn } from "../../harness/firn.ts";
import { givePackageLists } from "../../harness/package-lists.ts";
import { pullManifest } from "../../harness/registry-client.ts";
import { removeTree } from "../../harness/temp.ts";
import { until } from "../../harness/until.ts";
import { makePlace, type Place, text } from "./place.ts";
import { type TinySet, tinySet } from "../../system/tiny-set.ts";

const skip = (await firnUnavailable()) || (await unavailable(NEEDS.skopeo));

interface Built {
  readonly digest: string;
  readonly revision: string;
  readonly platforms: readonly { readonly platform: string; readonly layers: readonly unknown[] }[];
}

/** Its build lasts long enough for what it writes to be drawn: a line is drawn every 80 ms. */
const slow = (name: string, seconds = 2): string =>
  `mk "${name}" "mkdir -p $out; for n in $(seq ${seconds}); do echo flake $n; sleep 1; done"`;

describe("firn build", { skip }, () => {
  let place: Place;
  let set: TinySet;
  let env: Record<string, string>;
  before(async () => {
    place = await makePlace("build");
    set = await tinySet(
      place.root,
      `snow = program "snow"; ice = program "ice"; bad = throw "no";
       frost = ${slow("frost")}; rime = ${slow("rime")};
       hail = ${slow("hail", 8)}; sleet = ${slow("sleet", 8)};`,
    );
    env = { PACKAGE_SET: set.spec, PATH: set.originEnv["PATH"] ?? "" };
  });
  after(() => removeTree(place.root));

  /** Builds, and returns what `--json` says. */
  const build = async (
    name: string,
    output: string,
    ...more: readonly string[]
  ): Promise<Built> => {
    const made = await place.firn(["build", name, "--output", output, "--json", ...more], env);
    assert.equal(made.exitCode, 0, text(made.stderr));
    return JSON.parse(text(made.stdout)) as Built;
  };

  test("makes the registry's image, digest for digest; skopeo copies the one like the other", async () => {
    const here = await build("snow/ice", "oci:here");
    const firn = await startFirn({ packageSet: set.spec, originEnv: set.originEnv });
    try {
      const { digest, manifest } = await pullManifest(firn.url, "snow/ice");
      assert.equal(here.digest, digest);
      assert.deepEqual(here.platforms[0]?.layers, manifest.layers.map(plain));
      await place.skopeo(
        "copy",
        "--preserve-digests",
        "--src-tls-verify=false",
        `docker://${firn.host}/ice/snow`,
        "oci:pulled:latest",
      );
    } finally {
      await firn.stop();
    }
    const blobs = (directory: string) => readdir(join(place.root, directory, "blobs/sha256"));
    assert.deepEqual((await blobs("here")).sort(), (await blobs("pulled")).sort());
    for (const hex of await blobs("here")) {
      const bytes = await readFile(join(place.root, "here/blobs/sha256", hex));
      assert.equal(createHash("sha256").update(bytes).digest("hex"), hex);
    }
    // And with its registry gone skopeo takes what was built for an image.
    const copied = await place.skopeo("inspect", "oci:here:latest");
    assert.equal((JSON.parse(copied) as { Digest: string }).Digest, here.digest);
  });

  test("with zstd beside gzip, as a registry that has always had both", async () => {
    const options = { packageSet: set.spec, originEnv: set.originEnv, edgeEnv: { ZSTD: "on" } };
    const firn = await startFirn(options);
    try {
      const { digest } = await pullManifest(firn.url, "snow", "latest", OCI_INDEX);
      assert.equal((await build("snow", "oci:zstd", "--zstd", "on")).digest, digest);
    } finally {
      await firn.stop();
    }
  });

  test("an image of another tag joins the directory, one of the same tag replaces it", async () => {
    const [first, second] = [await build("snow", "oci:both:a"), await build("ice", "oci:both:b")];
    await build("ice", "oci:both:a");
    const inspect = async (tag: string) =>
      (JSON.parse(await place.skopeo("inspect", `oci:both:${tag}`)) as { Digest: string }).Digest;
    assert.equal(await inspect("b"), second.digest);
    assert.equal(await inspect("a"), second.digest);
    assert.notEqual(first.digest, second.digest);
    await writeFile(join(place.root, "both/index.json"), "no");
    const made = await place.firn(["build", "snow", "--output", "oci:both"], env);
    assert.equal(made.exitCode, 1);
    assert.match(text(made.stderr), /both\/index\.json is not the index of an OCI layout/);
  });

  test("archives hold the same image, the same bytes each time, on standard output too", async () => {
    const { digest } = await build("snow", "oci-archive:snow.tar");
    const inspected = await place.skopeo("inspect", "oci-archive:snow.tar");
    assert.equal((JSON.parse(inspected) as { Digest: string }).Digest, digest);

    await build("snow", "docker-archive:docker.tar");
    const config = JSON.parse(
      await place.skopeo("inspect", "--config", "docker-archive:docker.tar:snow:latest"),
    );
    assert.equal(config.architecture, "amd64");
    await place.skopeo("copy", "docker-archive:docker.tar", "oci:from-docker:x");

    const piped = await place.firn(["build", "snow", "--output", "-"], env);
    assert.equal(piped.exitCode, 0, text(piped.stderr));
    assert.deepEqual(Buffer.from(piped.stdout), await readFile(join(place.root, "docker.tar")));
    assert.match(text(piped.stderr), /snow:latest at revision [0-9a-f]{40}/);
  });

  test("a second time nothing is built or packed, and without its cache the same is made again", async () => {
    const first = await build("snow", "oci:again");
    const blobs = join(place.state, "blobs/sha256");
    const times = async () =>
      Promise.all(
        (await readdir(blobs)).sort().map(async (hex) => (await stat(join(blobs, hex))).mtimeMs),
      );
    const [before, builds] = [await times(), (await set.builds()).length];
    assert.equal((await build("snow", "oci:again")).digest, first.digest);
    assert.deepEqual(await times(), before);
    assert.equal((await set.builds()).length, builds);
    await rm(place.state, { recursive: true });
    assert.equal((await build("snow", "oci:again-2")).digest, first.digest);
  });

  /** A run whose nix-build has begun. */
  const begun = async (name: string, output: string) => {
    const run = place.firn(["build", name, "--output", output, "--verbose"], env);
    let said = "";
    run.stderr.on("data", (bytes: Buffer) => (said += bytes.toString()));
    await until(`${name} is being built`, () => said.includes("flake 1"));
    return { run };
  };

  test("what a killed run leaves in cache and output is cleared by the next, not what a living one needs", async () => {
    const roots = join(place.state, "sets/roots");
    const { run: killed } = await begun("hail", "oci-archive:hail.tar");
    killed.kill("SIGKILL");
    await killed;
    const left = [
      join(place.state, "blobs/sha256", temporaryName(".new")),
      join(place.state, "layers-cache/spool", temporaryName("blob")),
      join(place.root, temporaryName(".new")),
    ];
    for (const path of left) {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, "half");
    }
    const [empty = "none"] = await emptyIn(roots);
    const { run: living } = await begun("sleet", "oci-archive:sleet.tar");
    await build("ice", "oci-archive:ice.tar");
    for (const path of [...left, join(roots, empty)]) assert.ok(!existsSync(path), path);
    const { exitCode, stderr } = await living;
    assert.equal(exitCode, 0, text(stderr));
    assert.deepEqual(await emptyIn(roots), []);
  });

  for (const [what, args, status, says] of [
    ["a package that does not exist", ["snw", "-o", "oci:x"], 4, /nearest names are.*snow/],
    ["a package that refuses to evaluate", ["bad", "-o", "oci:x"], 1, /no/],
    ["a malformed name", ["Snow", "-o", "oci:x"], 2, /write "snow"/],
    ["an unknown tag", ["snow:v9", "-o", "oci:x"], 4, /v9/],
    ["an output of no known form", ["snow", "-o", "tar:x"], 2, /oci:DIR, oci-archive:FILE/],
    ["no output", ["snow"], 2, /--output/],
    [
      "a platform of no known name",
      ["snow", "-o", "oci:x", "--platform", "mips"],
      2,
      /linux\/amd64 or/,
    ],
    ["JSON in the middle of an archive", ["snow", "-o", "-", "--json"], 2, /both write/],
  ] as const) {
    test(`${what} ends with status ${status}, and says why`, async () => {
      const { exitCode, stderr, stdout } = await place.firn(["build", ...args], env);
      assert.equal(exitCode, status, text(stderr));
      assert.match(text(stderr), says);
      assert.equal(stdout.length, 0);
    });
  }

  test("in a terminal one line is drawn over, with bars; colours but for NO_COLOR", async () => {
    const main = join(import.meta.dirname, "../../../origin/main.ts");
    const inTerminal = async (name: string, more: Readonly<Record<string, string>> = {}) => {
      const command = `stty cols 70; exec ${process.execPath} ${main} build ${name} -o oci:${name}`;
      // With CI in its environment Node shows colours to the services that it knows alone.
      const person = { CI: undefined, TERM: "xterm", ...more };
      const ran = await execa("script", ["-qefc", command, "/dev/null"], {
        cwd: place.root,
        env: { ...env, FIRN_CACHE: join(place.root, `cache-${name}`), ...person },
        stdin: "ignore",
      });
      return ran.stdout;
    };
    const coloured = await inTerminal("frost");
    assert.ok(coloured.includes("\r\u001b[2K"), "the line is cleared before it is drawn again");
    assert.match(coloured, /building frost/);
    assert.match(coloured, /sha256:[0-9a-f]{64}\s*$/);
    assert.ok(coloured.includes("\u001b[2m"));
    const uncoloured = await inTerminal("rime", { NO_COLOR: "1" });
    assert.match(uncoloured, /flake \d/);
    assert.ok(!uncoloured.includes("\u001b[2m"));
  });

  test("where no person looks there are no colours and no bars, and Nix's lines on demand", async () => {
    const made = await place.firn(["build", "ice", "-o", "oci:quiet", "--verbose"], env);
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(text(made.stderr), /[\u001b\r]/);
    assert.match(text(made.stderr), /^firn: building ice$/m);
    assert.match(text(made.stdout), /^sha256:[0-9a-f]{64}$/);
  });
});

/** The directories in it that hold nothing. */
async function emptyIn(directory: string): Promise<string[]> {
  const names = await readdir(directory);
  const isEmpty = await Promise.all(
    names.map(async (name) => (await readdir(join(directory, name))).length === 0),
  );
  return names.filter((_, at) => isEmpty[at]);
}

const plain = ({ digest, size }: { readonly digest: string; readonly size: number }) => ({
  digest,
  size,
});

describe("firn build of the starter set", { skip }, () => {
  let place: Place;
  let firn: Firn;
  before(async () => {
    place = await makePlace("build-starter");
    firn = await startFirn({ edgeEnv: { SYSTEMS: "x86_64-linux,aarch64-linux" } });
    await givePackageLists(place.state);
  });
  after(async () => {
    await firn?.stop();
    await removeTree(place.root);
  });

  const build = async (
    name: string,
    output: string,
    ...more: readonly string[]
  ): Promise<Built> => {
    const made = await place.firn(["build", name, "--output", output, "--json", ...more]);
    assert.equal(made.exitCode, 0, text(made.stderr));
    return JSON.parse(text(made.stdout)) as Built;
  };

  for (const { name, needs, open } of [docker, podman]) {
    const lacking = unavailable(needs, { root: true });
    test(`${name} loads the archive, and runs what is in it`, async (t) => {
      const reason = await lacking;
      if (reason !== false) return t.skip(reason);
      const args = ["build", "shell/hello", "--output", "docker-archive:shell.tar:tools/hello:v1"];
      const made = await place.firn(args);
      assert.equal(made.exitCode, 0, text(made.stderr));
      const client = await open();
      try {
        await client.load?.(join(place.root, "shell.tar"));
        const ran = await client.run("tools/hello:v1", ["bash", "-c", "hello | cat"]);
        assert.equal(ran.stdout, "Hello, world!", ran.stderr);
      } finally {
        await client.close();
      }
    });
  }

  test("both platforms in one index, by the layer plan that a new registry makes", async () => {
    const here = await build("hello/tree", "oci:here");
    const { digest, headers } = await pullManifest(firn.url, "hello/tree", "latest", OCI_INDEX);
    assert.equal(headers.get("firn-revision"), here.revision);
    assert.equal(here.digest, digest);
    const names = here.platforms.map(({ platform }) => platform);
    assert.deepEqual(names, ["linux/amd64", "linux/arm64"]);
    await place.skopeo("copy", "--all", "--preserve-digests", "oci:here:latest", "oci:copied:x");
    const arm = await place.skopeo("--override-arch", "arm64", "inspect", "oci:copied:x");
    assert.equal((JSON.parse(arm) as { Architecture: string }).Architecture, "arm64");
  });

  test("one platform is the manifest of it, by --platform or by the name; both ways is refused", async () => {
    const pinned = await pullManifest(firn.url, "arm64/tree");
    assert.equal((await build("arm64/tree", "oci:pinned")).digest, pinned.digest);
    const asked = await build("tree", "oci:asked", "--platform", "linux/arm64");
    assert.equal(asked.digest, pinned.digest);
    const both = await place.firn([
      "build",
      "arm64/tree",
      "-o",
      "oci:x",
      "--platform",
      "linux/amd64",
    ]);
    assert.equal(both.exitCode, 2);
    assert.match(text(both.stderr), /arm64\/tree already pins the platform/);
  });
});
