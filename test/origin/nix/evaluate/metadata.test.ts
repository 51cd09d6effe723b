/** What a package set says of store paths, by name and version, as real Nix evaluates it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { directoryWith, needs, open, packageSet, signal, system } from "../support.ts";

const SET = packageSet(`
  libs = name: meta: mkWith name { } "mkdir $out" // { inherit meta; };
  curl = mkWith "curl-8.11.0" { outputs = [ "out" "bin" ]; } "mkdir $out $bin" // {
    pname = "curl"; version = "8.11.0";
    meta = {
      description = "transfers  data";
      homepage = [ "https://curl.se/" "https://example.org/" ];
      license = { spdxId = "curl"; fullName = "curl License"; };
    };
  };
  zlib = libs "zlib-1.3.1" { license = [ { spdxId = "Zlib"; } "public domain" ]; };
  openssl = libs "openssl-3.4.0" { license = { spdxId = "Apache-2.0"; }; };
  gcc = libs "gcc-wrapper-14.2.1" { license = { spdxId = "MIT"; }; } // {
    cc = libs "gcc-14.2.1" { license = { spdxId = "GPL-3.0-or-later"; }; } // {
      outputs = [ "out" "lib" ];
    };
  };
  bashInteractive = libs "bash-interactive-5.2p37" { homepage = "javascript:alert(1)"; };
  imagemagick = libs "ImageMagick-7.1" { description = "pictures"; };
  _7zz = libs "7zz-24.09" { homepage = "https://7-zip.org/"; };
  python312Packages.requests = libs "python3.12-requests-2.32.3" { license = { spdxId = "Apache-2.0"; }; };
  perlPackages.HTTPMessage = libs "perl5.40.0-HTTP-Message-7.00" { description = "HTTP style messages"; };
  throws = throw "no";
  throwing-meta = libs "throwing-meta-1" { license = throw "no"; description = "stays"; };
  aborts = abort "no";
  no-package = 5;
  endless = let
    count = n: f: builtins.foldl' (sum: each: sum + f each) 0 (builtins.genList (x: x) n);
  in libs "endless-\${toString (count 30000 (_: count 30000 (x: x)))}" { };
`);

/** Attributes of names that are to find nothing. */
const NOTHING = [
  "openssl-1.1.1",
  "zlib-1.3.1-dev",
  "gcc-14.2.1-doc",
  "throws-1",
  "no-package-1",
  "unknown-1",
  "source",
];

test("by name and version, whatever output and attribute", needs("nix-instantiate"), async (t) => {
  const set = await open(t, `path:${directoryWith(t, SET)}`);
  const revision = await set.resolve("latest", signal);
  const expected = {
    "curl-8.11.0": {
      pname: "curl",
      version: "8.11.0",
      description: "transfers data",
      homepage: "https://curl.se/",
      licenses: [{ spdxId: "curl", name: "curl License" }],
    },
    "zlib-1.3.1": {
      pname: "zlib",
      version: "1.3.1",
      licenses: [{ spdxId: "Zlib" }, { name: "public domain" }],
    },
    "openssl-3.4.0": { pname: "openssl", version: "3.4.0", licenses: [{ spdxId: "Apache-2.0" }] },
    "gcc-14.2.1-lib": {
      pname: "gcc",
      version: "14.2.1",
      licenses: [{ spdxId: "GPL-3.0-or-later" }],
    },
    "bash-interactive-5.2p37": { pname: "bash-interactive", version: "5.2p37" },
    "ImageMagick-7.1": { pname: "ImageMagick", version: "7.1", description: "pictures" },
    "7zz-24.09": { pname: "7zz", version: "24.09", homepage: "https://7-zip.org/" },
    "python3.12-requests-2.32.3": {
      pname: "python3.12-requests",
      version: "2.32.3",
      licenses: [{ spdxId: "Apache-2.0" }],
    },
    "perl5.40.0-HTTP-Message-7.00": {
      pname: "perl5.40.0-HTTP-Message",
      version: "7.00",
      description: "HTTP style messages",
    },
    "throwing-meta-1": { pname: "throwing-meta", version: "1", description: "stays" },
  };
  const curlBin = { "curl-8.11.0-bin": expected["curl-8.11.0"] };
  const names = [...Object.keys({ ...expected, ...curlBin }), ...NOTHING];
  const request = { revision, system } as const;
  const found = await set.metadata(request, names, signal);
  assert.deepEqual(Object.fromEntries(found), { ...expected, ...curlBin });
  assert.deepEqual(await set.metadata(request, names, signal), found, "from memory");
});

test(
  "what cannot be told in time is an error that says so, and is asked again",
  needs("nix-instantiate"),
  async (t) => {
    const set = await open(t, `path:${directoryWith(t, SET)}`);
    const request = { revision: await set.resolve("latest", signal), system } as const;
    await assert.rejects(
      set.metadata(request, ["zlib-1.3.1", "endless-1"], signal),
      /evaluating metadata took longer than/,
    );
    assert.equal((await set.metadata(request, ["zlib-1.3.1"], signal)).size, 1);
  },
);

test("a name that ends the evaluation is left out", needs("nix-instantiate"), async (t) => {
  const set = await open(t, `path:${directoryWith(t, SET)}`);
  const request = { revision: await set.resolve("latest", signal), system } as const;
  const found = await set.metadata(request, ["zlib-1.3.1", "aborts-1", "openssl-3.4.0"], signal);
  assert.deepEqual([...found.keys()], ["zlib-1.3.1", "openssl-3.4.0"]);
});
