/** nix/image.nix beside `firn build` of the same package set: the same image, in a derivation. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { execa } from "execa";
import { libdeflateIsThere } from "../../origin/layers/libdeflate.ts";
import { NIX_DIR } from "../../origin/nix/settings.ts";
import { canonicalJson } from "../../edge/contract/keys.ts";
import { NO_PLAN } from "../../origin/plan/index.ts";
import { makePlace, type Place, text } from "../origin/commands/place.ts";
import { needs } from "../origin/nix/support.ts";
import { removeTree } from "../harness/temp.ts";
import { type TinySet, tinySet } from "../system/tiny-set.ts";

const ATTRIBUTES = `
  snow = program "snow" // { version = "1.2"; meta.description = "White\\n and cold"; };
  Ice = mk "ice" ''
    mkdir -p $out/bin; echo \${snow} > $out/bin/ice; chmod +x $out/bin/ice; echo $out > $out/self'';
  bashInteractive = program "bash";
  coreutils = program "ls"; moreutils = program "ts"; nano = program "nano";
  text = "no package";
`;
/** The directory that holds Node's own bin. */
const NODE = dirname(dirname(process.execPath));

const skip =
  needs("nix-build").skip ||
  (!libdeflateIsThere() && process.env["CI"] !== "true" ? "needs libdeflate" : false);

/** Root without a daemon decides by itself how it builds; anybody else cannot try the sandbox. */
const alone = process.getuid?.() === 0 && !existsSync("/nix/var/nix/daemon-socket/socket");
const limits = alone ? {} : { skip: "needs root and no Nix daemon" };

describe("nix/image.nix", { skip }, () => {
  let place: Place;
  let set: TinySet;
  let builder = "";
  before(async () => {
    place = await makePlace("nix-image");
    set = await tinySet(place.root, ATTRIBUTES);
  });
  after(() => removeTree(place.root));

  /** What `firn build --json` says. */
  const firn = async (name: string, output: string, ...more: readonly string[]) => {
    const made = await place.firn(["build", name, "--output", output, "--json", ...more], {
      PACKAGE_SET: set.spec,
    });
    assert.equal(made.exitCode, 0, text(made.stderr));
    return JSON.parse(text(made.stdout)) as { digest: string; revision: string; plan: string };
  };

  /**
   * Builds with these arguments, Nix text in which `pkgs` is the set. The first has the builder
   * made as users have, the others take it from the store, which saves reading all npm packages
   * again.
   */
  const nix = async (args: string, env: Readonly<Record<string, string>> = {}) => {
    const file = join(place.root, "user.nix");
    const library = process.env["LIBDEFLATE"] ?? "libdeflate.so.0";
    writeFileSync(
      file,
      `let pkgs = import ./set { }; in import ${NIX_DIR}/image.nix {
        inherit pkgs; nodejs = "${NODE}"; libdeflate = "${library}"; ${builder}
      } { packageSet = "path"; ${args} }`,
    );
    return execa("nix-build", ["--no-out-link", file], {
      env,
      reject: false,
      timeout: 120_000,
    });
  };
  const built = async (args: string): Promise<string> => {
    const { exitCode, stdout, stderr } = await nix(args);
    assert.equal(exitCode, 0, stderr);
    return stdout;
  };

  test("a list of packages gives the layout of firn build, and refers to nothing", async () => {
    const { revision, digest } = await firn("snow/ice", "oci:here");
    const layout = await built(`packages = [ "snow" "ice" ]; revision = "${revision}";`);
    const here = join(place.root, "here");
    assert.match(index(layout), new RegExp(digest));
    assert.equal(index(layout), index(here));
    assert.deepEqual(blobs(layout), blobs(here));
    for (const hex of blobs(here))
      assert.deepEqual(
        readFileSync(join(layout, "blobs/sha256", hex)),
        readFileSync(join(here, "blobs/sha256", hex)),
      );
    const references = await execa("nix-store", ["--query", "--references", layout]);
    assert.equal(references.stdout, "");
    const { stdout: path } = await execa("nix-build", [
      "--no-out-link",
      "--expr",
      `import ${NIX_DIR}/image-builder.nix {
        pkgs = { }; system = builtins.currentSystem;
      }`,
    ]);
    builder = `builder = builtins.storePath ${path};`;
  });

  test("derivations by name, with shell, zstd and a layer plan's file", async () => {
    const plan = join(place.root, "plan.json");
    // Every store path is a layer of its own.
    writeFileSync(plan, canonicalJson({ ...NO_PLAN, thresholds: [10, 20], smallPart: 0 }));
    const options = ["--zstd", "on", "--plan", plan];
    const here = await firn("shell/snow", "oci:planned", ...options);
    assert.notEqual(here.plan, "none");
    const layout = await built(`
      packages = { snow = pkgs.snow; }; shell = true; zstd = true; plan = ${plan};
      revision = "${here.revision}";`);
    assert.equal(index(layout), index(join(place.root, "planned")));
    // A name that the set has not, and a derivation of one's own.
    const own = await built(`packages = { cold = pkgs.snow; }; revision = "${here.revision}";`);
    assert.equal(configOf(own).config.Labels["dev.firn.packages"], "cacert,cold,iana-etc");
  });

  for (const format of ["oci-archive", "docker-archive"])
    test(`${format} is the bytes of firn build's`, async () => {
      const { revision } = await firn("snow", `${format}:snow.tar`);
      const file = await built(
        `packages = [ "snow" ]; revision = "${revision}"; format = "${format}";`,
      );
      assert.deepEqual(readFileSync(file), readFileSync(join(place.root, "snow.tar")));
    });

  test("in the sandbox, which has only Node and the system's libraries", limits, async () => {
    const paths = `/bin /lib /lib64 /usr/bin /usr/lib ${NODE}`;
    const config = ["sandbox = true", "sandbox-fallback = false", `sandbox-paths = ${paths}`];
    const { exitCode, stdout, stderr } = await nix('packages = [ "snow" ]; tag = "sandboxed";', {
      NIX_CONFIG: ["substituters =", "build-users-group =", ...config].join("\n"),
    });
    assert.equal(exitCode, 0, stderr);
    assert.match(index(stdout), /"sandboxed"/);
  });

  for (const [what, args, says] of [
    ["a name that nothing has", 'packages = [ "snw" ];', /there is no snw/],
    ["an attribute that is no package", 'packages = [ "text" ];', /text is no package/],
    [
      "a revision that is none",
      'packages = [ "snow" ]; revision = "v1";',
      /revision is not 40 hex/,
    ],
    ["a name with capitals", "packages = { Snow = pkgs.snow; };", /write "snow"/],
  ] as const)
    test(`${what} fails, and says so`, async () => {
      const { exitCode, stderr } = await nix(args);
      assert.notEqual(exitCode, 0);
      assert.match(stderr, says);
    });
});

const index = (layout: string) => readFileSync(join(layout, "index.json"), "utf8");
const blobs = (layout: string) => readdirSync(join(layout, "blobs/sha256")).sort();

interface Config {
  readonly config: { readonly Labels: Readonly<Record<string, string>> };
}

/** The config of a layout's only image. */
function configOf(layout: string): Config {
  const read = (digest: string): unknown =>
    JSON.parse(readFileSync(join(layout, "blobs/sha256", digest.slice("sha256:".length)), "utf8"));
  const { manifests } = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")) as {
    readonly manifests: readonly { readonly digest: string }[];
  };
  const manifest = read(manifests[0]?.digest ?? "") as { readonly config: { digest: string } };
  return read(manifest.config.digest) as Config;
}
