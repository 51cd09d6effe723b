/**
 * The NixOS module and the flake, without nixpkgs: options get their defaults and a machine's
 * values by a few lines in the place of lib.evalModules, and the units are those of
 * origin/server/examples.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { execa } from "execa";
import { NIX_DIR } from "../../origin/nix/settings.ts";
import { needs } from "../origin/nix/support.ts";

const NIXOS = join(NIX_DIR, "nixos");
const EXAMPLES = join(NIX_DIR, "../origin/server/examples");

const STUB = `
  merge = a: b: if builtins.isAttrs a && builtins.isAttrs b
    then a // builtins.mapAttrs (name: value: if a ? \${name} then merge a.\${name} value else value) b
    else throw "a value is given twice";
  lib = {
    mkOption = option: option // { isOption = true; };
    mkEnableOption = _: { isOption = true; default = false; type = "bool"; };
    mkIf = condition: value: if condition then value else { };
    optionalAttrs = condition: value: if condition then value else { };
    literalMD = text: { inherit text; };
    mkMerge = builtins.foldl' merge { };
    types = {
      attrsOf = x: x; nullOr = x: x; listOf = x: x; str = "str"; path = "path"; package = "package";
    };
    licenses.mit = "MIT"; concatStringsSep = builtins.concatStringsSep; makeBinPath = _: "";
  };
  fill = options: values: builtins.mapAttrs (name: option:
    if option ? isOption then values.\${name} or option.default else fill option (values.\${name} or { }))
    options;
  unknown = options: values: builtins.concatMap (name:
    if !(options ? \${name}) then [ name ]
    else if options.\${name} ? isOption then [ ] else unknown options.\${name} values.\${name})
    (builtins.attrNames values);
  machine = firn: let
    module = import ${NIXOS}/module.nix { inherit lib; pkgs = { }; config = {
      networking.hostName = "rack-1"; nix.package = "nix";
      services.firn = assert unknown module.options.services.firn firn == [ ];
        fill module.options.services.firn firn;
    }; };
  in module.config;
`;

async function evaluate(expression: string): Promise<unknown> {
  // In read-write mode, which puts the sources into the store.
  const args = [
    "--eval",
    "--strict",
    "--json",
    "--read-write-mode",
    "--expr",
    `let ${STUB} in ${expression}`,
  ];
  return JSON.parse((await execa("nix-instantiate", args)).stdout) as unknown;
}

interface Service {
  readonly environment: Readonly<Record<string, string>>;
  readonly serviceConfig: Readonly<Record<string, string | number | boolean>>;
  readonly requires?: readonly string[];
}

interface Machine {
  readonly nix?: { readonly settings: { readonly sandbox: boolean } };
  readonly systemd?: {
    readonly services: Readonly<Record<string, Service>>;
    readonly sockets?: { readonly firn: { readonly listenStreams: readonly string[] } };
  };
}

const machine = async (firn: string): Promise<Machine> =>
  (await evaluate(`machine { package = "/firn"; ${firn} }`)) as Machine;

/** [Service] of an example, without what says where things are on that machine. */
function exampleService(file: string): Record<string, string> {
  const text = readFileSync(join(EXAMPLES, file), "utf8").split("[Service]")[1]?.split("\n[")[0];
  const entries = Array.from(
    (text ?? "").matchAll(/^(\w+)=(.*)$/gm),
    ([, key = "", value = ""]) => [key, value] as const,
  );
  const place = new Set(["WorkingDirectory", "EnvironmentFile", "Environment", "ExecStart"]);
  return Object.fromEntries(entries.filter(([key]) => !place.has(key)));
}

/** The same of a unit of the module, as NixOS writes values. */
const written = (config: Service["serviceConfig"]): Record<string, string> =>
  Object.fromEntries(
    Object.entries(config)
      .filter(([key]) => key !== "ExecStart")
      .map(([key, value]) => [key, value === true ? "yes" : String(value)]),
  );

test("a machine that enables nothing gets nothing", needs("nix-instantiate"), async () => {
  assert.deepEqual(await machine(""), {});
});

test(
  "an origin: the example's unit, its key as a credential, limits, a sandbox",
  needs("nix-instantiate"),
  async () => {
    const { nix, systemd } = await machine(`origin = {
    enable = true; edges = [ "https://a.example" "https://b.example" ];
    keyFile = "/run/secrets/key"; settings.EVAL_MEMORY = "2G";
  };`);
    assert.equal(nix?.settings.sandbox, true);
    assert.deepEqual(Object.keys(systemd?.services ?? {}), ["firn-origin"]);
    const unit = systemd?.services["firn-origin"];
    assert.ok(unit);
    assert.deepEqual(unit.environment, {
      EVAL_MEMORY: "2G",
      FIRN_EDGES: "https://a.example,https://b.example",
      ORIGIN_KEY_FILE: "%d/key",
      ORIGIN_NAME: "rack-1",
      PACKAGE_SET: "channel:nixos-unstable",
      STATE_DIR: "/var/lib/firn-origin",
      NIX_REMOTE: "daemon",
    });
    assert.equal(unit.serviceConfig["ExecStart"], "/firn/bin/firn origin");
    assert.deepEqual(written(unit.serviceConfig), {
      ...exampleService("firn-origin.service"),
      LoadCredential: "key:/run/secrets/key",
    });
  },
);

test(
  "a server: the example's unit and socket, secrets from a file",
  needs("nix-instantiate"),
  async () => {
    const { nix, systemd } = await machine(`server = {
    enable = true; listen = "127.0.0.1:9000"; environmentFile = "/run/secrets/firn.env";
    settings.EDGE_HOST = "registry.example";
  };`);
    assert.equal(nix, undefined);
    assert.deepEqual(systemd?.sockets?.firn.listenStreams, ["127.0.0.1:9000"]);
    const six = await machine(`server = { enable = true; listen = "[::1]:9000"; };`);
    assert.deepEqual(six.systemd?.sockets?.firn.listenStreams, ["[::1]:9000"]);
    assert.equal(six.systemd?.services["firn"]?.environment["HOST"], "::1");
    const unit = systemd?.services["firn"];
    assert.ok(unit);
    assert.deepEqual(unit.requires, ["firn.socket"]);
    assert.equal(unit.serviceConfig["ExecStart"], "/firn/bin/firn serve");
    assert.deepEqual(unit.environment, {
      EDGE_HOST: "registry.example",
      FIRN_STATE: "/var/lib/firn",
      HOST: "127.0.0.1",
      PACKAGE_SET: "channel:nixos-unstable",
      PORT: "9000",
    });
    assert.deepEqual(written(unit.serviceConfig), {
      ...exampleService("firn.service"),
      EnvironmentFile: "/run/secrets/firn.env",
    });
  },
);

test("a whole Firn is both", needs("nix-instantiate"), async () => {
  const { systemd } = await machine(
    `server.enable = true; origin = { enable = true; edges = [ "http://127.0.0.1:8787" ]; keyFile = "/k"; };`,
  );
  assert.deepEqual(Object.keys(systemd?.services ?? {}), ["firn", "firn-origin"]);
});

test(
  "an address without a port is refused by the option's name",
  needs("nix-instantiate"),
  async () => {
    await assert.rejects(
      machine(`server = { enable = true; listen = "8787"; };`),
      /services\.firn\.server\.listen is no ADDRESS:PORT/,
    );
  },
);

test(
  "the flake has a package of the sources that run, a module, a shell and checks",
  needs("nix-instantiate"),
  async () => {
    const { names, source, version, derivation } = (await evaluate(`let
    runCommand = name: env: text: env // derivation (builtins.removeAttrs env [ "meta" ] // {
      inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" text ];
    });
    package = name: runCommand name { } "";
    stubs = {
      inherit runCommand;
      stdenv = {
        hostPlatform.system = "x86_64-linux";
        cc = { libc = package "libc"; cc.lib = package "gcc"; bintools.dynamicLinker = "/ld.so"; };
      };
    } // builtins.listToAttrs (map (name: { inherit name; value = package name; }) [
      "bash" "busybox" "cacert" "git" "iana-etc" "libdeflate" "nix" "nodejs_24" "patchelf"
    ]);
    pkgs = stubs // {
      callPackage = file: more: let f = import file; in
        f (builtins.intersectAttrs (builtins.functionArgs f) stubs // more);
    };
    outputs = (import ${NIXOS}/flake.nix).outputs {
      self = outputs; nixpkgs.legacyPackages = { x86_64-linux = pkgs; aarch64-linux = pkgs; };
    };
    firn = outputs.packages.x86_64-linux.default;
  in {
    names = builtins.mapAttrs (_: builtins.attrNames) outputs;
    source = "\${import ${NIX_DIR}/firn/source.nix ${NIX_DIR}/..}"; inherit (firn) version;
    derivation = firn.drvPath;
  }`)) as { names: Record<string, string[]>; source: string; version: string; derivation: string };
    assert.match(derivation, /-firn-[0-9.]+\.drv$/);
    const systems = ["aarch64-linux", "x86_64-linux"];
    assert.deepEqual(names, {
      checks: systems,
      devShells: systems,
      lib: ["image"],
      nixosModules: ["default"],
      packages: systems,
    });
    assert.deepEqual(readdirSync(source).sort(), [
      "edge",
      "nix",
      "origin",
      "package-lock.json",
      "package.json",
      "tsconfig.json",
      "wrangler.toml",
    ]);
    const packageJson = readFileSync(join(NIX_DIR, "../package.json"), "utf8");
    assert.equal(version, (JSON.parse(packageJson) as { version: string }).version);
  },
);
