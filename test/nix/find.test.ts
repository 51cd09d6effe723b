import assert from "node:assert/strict";
import { test } from "node:test";
import { attributeFor } from "../../edge/contract/package-index.ts";
import { run } from "../../origin/nix/run.ts";
import { NIX_DIR, nixEnvironment } from "../../origin/nix/settings.ts";
import { directoryWith, needs } from "../origin/nix/support.ts";

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
    const expression = `let inherit (import ${NIX_DIR}/find.nix) find; set = ${SET}; in
      map (name: ${shown} (find set name)) [ ${names} ]`;
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
    const expression = `let inherit (import ${NIX_DIR}/find.nix) find; set = ${SET}; in
      map (name: (find set name).output) [ "git" "git.man" "git.passthru" ]`;
    const { stdout, stderr } = await run(
      "nix-instantiate",
      ["--eval", "--strict", "--json", "--expr", expression],
      { env: nixEnvironment() },
    );
    assert.deepEqual(JSON.parse(stdout || "null"), [false, true, false], stderr.join("\n"));
  },
);

/**
 * Everything that can differ: case, digits, both, names of other letters, depth, what is no set.
 */
const ASKED = FINDS.map(([name]) => name).concat(
  ["7", "7zz.x", "_7zz", "3", "3proxy.x", "4", "44", "curl.x", "poison", "text", "text.x"],
  ["python3packages", "python3packages.poison", "python3packages.4x", "python3packages.4"],
  ["git.outputs", "git.type", "git.out.x", "git.man.man.man", "endless.agian", "a-b", "a_b"],
  ["k", "\u212a", "dotted.name", "dotted", "f", "endless"],
);
const MORE = `// {
  _4 = 1; "4" = 2; _44 = 3; "A-B" = 4; a_B = 5; A_b = 6; "\u212a" = 7; "dotted.name" = 8;
  python3Packages = { Flask = 7; _4X = 1; _4x = 2; poison = throw "forced"; };
}`;
const quoted = (texts: readonly string[]): string =>
  texts.map((text) => JSON.stringify(text)).join(" ");
/** Sets that the names above lead into. */
const PATHS = ["", "_7zz", "_3Proxy", "curl", "python3Packages", "text", "f", "git"].concat(
  ["git.man", "git.man.man", "git.outputs"],
  ["endless", "endless.again", "endless.again.again"],
);

test(
  "the edge, from lists of names, finds what Nix finds, and lists evaluate no attribute",
  needs("nix-instantiate"),
  async (t) => {
    const set = directoryWith(t, `${SET} ${MORE}`);
    const lists = PATHS.map((path) => JSON.stringify(path === "" ? [] : path.split(".")));
    const expression = `
      let
        inherit (import ${NIX_DIR}/find.nix) find;
        names = path: import ${NIX_DIR}/attributes.nix {
          source = "${set}"; system = "x86_64-linux"; inherit path;
        };
        found = name: let at = find (import ${set}) name; in if at ? missing then null else at.path;
      in { found = map found [ ${quoted(ASKED)} ]; lists = map names [ ${quoted(lists)} ]; }`;
    const { stdout, stderr } = await run(
      "nix-instantiate",
      ["--eval", "--strict", "--json", "--expr", expression],
      { env: nixEnvironment() },
    );
    assert.notEqual(stdout, "", stderr.join("\n"));
    const nix = JSON.parse(stdout) as { found: (string[] | null)[]; lists: string[][] };
    const indexes = new Map(PATHS.map((path, at) => [path, nix.lists[at]]));
    const found = ASKED.map((name) => {
      const path: string[] = [];
      for (const component of name.split(".")) {
        const index = indexes.get(path.join("."));
        assert.ok(index !== undefined, `${name} leads into ${path.join(".")}: list it`);
        const attribute = attributeFor(index, component);
        if (attribute === undefined) return null;
        path.push(attribute);
      }
      return path;
    });
    assert.deepEqual(
      Object.fromEntries(ASKED.map((name, at) => [name, found[at]])),
      Object.fromEntries(ASKED.map((name, at) => [name, nix.found[at]])),
    );
    assert.ok(found.includes(null) && found.some((path) => path?.[0] === "_7zz"));
  },
);
