/**
 * `firn completion`: what each shell itself makes of the script, and that `--help` has examples.
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { execa } from "execa";
import { unavailable } from "../../harness/available.ts";
import { removeTree } from "../../harness/temp.ts";
import { makePlace, type Place } from "./place.ts";

const COMMANDS = ["build", "push", "export", "mirror", "inspect", "diff", "search", "doctor"];

describe("firn completion", () => {
  let place: Place;
  before(async () => void (place = await makePlace("completion")));
  after(() => removeTree(place.root));
  const script = async (shell: string): Promise<string> => {
    const { exitCode, stdout, stderr } = await place.firnText(["completion", shell]);
    assert.equal(exitCode, 0, stderr);
    const file = join(place.root, `firn.${shell}`);
    await writeFile(file, `${stdout}\n`);
    return file;
  };

  test("bash completes commands, their options, and an option's choices", async () => {
    const file = await script("bash");
    const complete = async (...words: readonly string[]): Promise<string[]> => {
      const line = words.map((word) => `'${word}'`).join(" ");
      const { stdout } = await execa("bash", [
        "-c",
        `source "$0"; COMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}; _firn; ` +
          `printf '%s\n' "\${COMPREPLY[@]}"`,
        file,
      ]);
      return stdout.split("\n").filter(Boolean);
    };
    const commands = await complete("firn", "");
    for (const name of COMMANDS) assert.ok(commands.includes(name), name);
    assert.deepEqual(await complete("firn", "bu"), ["build"]);
    assert.deepEqual(await complete("firn", "build", "--plat"), ["--platform"]);
    assert.deepEqual(await complete("firn", "build", "git", "--zstd", "o"), ["on", "off"]);
    assert.deepEqual(await complete("firn", "completion", "--no-such"), []);
  });

  test("zsh takes it, and completes commands", async (t) => {
    const reason = await unavailable([{ command: "zsh", debian: "zsh", purpose: "a shell" }]);
    if (reason !== false) return t.skip(reason);
    const file = await script("zsh");
    const { stdout } = await execa("zsh", [
      "-fc",
      // _describe is zsh's own: what it is given is what a person is shown.
      'autoload -U compinit; compinit -D; source "$0"; _describe() { print -l -- ${(P)2} }; ' +
        'words=(firn ""); CURRENT=2; _firn; ' +
        '_arguments() { print -l -- "$@" }; words=(firn build ""); CURRENT=3; _firn',
      file,
    ]);
    for (const name of COMMANDS) assert.match(stdout, new RegExp(`^${name}:`, "m"));
    assert.match(stdout, /^--zstd\[.*\]:value:\(on off\)$/m);
  });

  test("fish completes commands and choices", async (t) => {
    const reason = await unavailable([{ command: "fish", debian: "fish", purpose: "a shell" }]);
    if (reason !== false) return t.skip(reason);
    const file = await script("fish");
    const complete = async (line: string): Promise<string> =>
      (
        await execa(
          "fish",
          ["--no-config", "-c", "source $argv[1]; complete -C $argv[2]", file, line],
          { env: { HOME: place.root } },
        )
      ).stdout;
    const commands = await complete("firn ");
    for (const name of COMMANDS) assert.match(commands, new RegExp(`^${name}\\t`, "m"));
    assert.match(await complete("firn build --zstd "), /^off\b[^]*^on\b/m);
  });

  test("a shell that is none is refused by name", async () => {
    const { exitCode, stderr } = await place.firnText(["completion", "tcsh"]);
    assert.equal(exitCode, 2);
    assert.match(stderr, /bash, zsh, fish/);
  });

  test("every command says what it does, with examples and the one table of exit statuses", async () => {
    const { stdout: overview } = await place.firnText(["--help"]);
    const names = Array.from(overview.matchAll(/^ {2}([a-z][a-z-]+) /gm), ([, name = ""]) => name);
    for (const name of COMMANDS) assert.ok(names.includes(name), name);
    for (const name of names.filter((one) => one !== "help")) {
      const { exitCode, stdout } = await place.firnText([name, "--help"]);
      assert.equal(exitCode, 0);
      assert.match(stdout, /^Examples?:\n {2}\S/m, name);
      assert.match(stdout, /^Exit status:\n {2}0 {2}it is done\n {2}1 /m, name);
      assert.match(stdout, new RegExp(`^ {2}.*firn ${name}\\b`, "m"), name);
    }
  });
});
