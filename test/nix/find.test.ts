import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "../../origin/nix/run.ts";
import { NIX_DIR, nixEnvironment } from "../../origin/nix/settings.ts";
import { needs } from "../origin/nix/support.ts";

/** An infinite set and one that throws: neither may be evaluated. */
const SET = `rec {
  endless = { again = endless; };
  poison = throw "forced";
  git = { type = "derivation"; outputs = [ "out" "man" ]; man = git; passthru = 1; };
  ImageMagick = 1; IMAGEMAGICK = 2; Curl = 3; curl = 4;
  _7zz = 5; _3Proxy = 6;
  python3Packages = { Flask = 7; requests = 8; poison = throw "forced"; };
  text = "x"; f = x: x;
}`;

const FINDS: readonly (readonly [string, unknown])[] = [
  ["curl", ["curl"]],
  ["imagemagick", ["IMAGEMAGICK"]],
  ["7zz", ["_7zz"]],
  ["3proxy", ["_3Proxy"]],
  ["python3packages.requests", ["python3Packages", "requests"]],
  ["python3packages.flask", ["python3Packages", "Flask"]],
  ["git.man", ["git", "man"]],
  ["endless.again.again.again", ["endless", "again", "again", "again"]],
  ["gti", { missing: "gti", path: [], type: "set" }],
  ["python3packages.reqests", { missing: "reqests", path: ["python3Packages"], type: "set" }],
  ["git.dev", { missing: "dev", path: ["git"], type: "package" }],
  ["text.a.b", { missing: "a", path: ["text"], type: "string" }],
  ["f.x", { missing: "x", path: ["f"], type: "lambda" }],
];

test(
  "each component finds what the name rules say, and evaluates nothing else",
  needs("nix-instantiate"),
  async () => {
    const names = FINDS.map(([name]) => `"${name}"`).join(" ");
    const shown = `(found: if found ? missing then { inherit (found) missing path type; } else found.path)`;
    const expression = `let inherit (import ${NIX_DIR}/find.nix) find; set = ${SET}; in map (name: ${shown} (find set name)) [ ${names} ]`;
    const { stdout, stderr } = await run(
      "nix-instantiate",
      ["--eval", "--strict", "--json", "--expr", expression],
      { env: nixEnvironment() },
    );
    assert.deepEqual(
      JSON.parse(stdout || "null"),
      FINDS.map(([, found]) => found),
      stderr.join("\n"),
    );
  },
);

test(
  "outputs of a package are distinguished from its other attributes",
  needs("nix-instantiate"),
  async () => {
    const expression = `let inherit (import ${NIX_DIR}/find.nix) find; set = ${SET}; in map (name: (find set name).output) [ "git" "git.man" "git.passthru" ]`;
    const { stdout, stderr } = await run(
      "nix-instantiate",
      ["--eval", "--strict", "--json", "--expr", expression],
      { env: nixEnvironment() },
    );
    assert.deepEqual(JSON.parse(stdout || "null"), [false, true, false], stderr.join("\n"));
  },
);
