import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test, type TestContext } from "node:test";
import {
  lockedFile,
  removeLeftovers,
  takeAbandoned,
  temporaryDirectory,
  temporaryFile,
  temporaryName,
} from "../../../origin/disk/temporary.ts";
import { soon } from "../../harness/soon.ts";
import { temporary } from "../nix/support.ts";

const MODULE = new URL("../../../origin/disk/temporary.ts", import.meta.url).href;
/** Makes a temporary file and a directory, says their paths, and lives on. */
const WRITER = `
  import { writeFileSync } from "node:fs";
  import { temporaryDirectory, temporaryFile } from ${JSON.stringify(MODULE)};
  const [directory] = process.argv.slice(1);
  const made = [temporaryFile(directory, "blob"), temporaryDirectory(directory, "tree")];
  writeFileSync(made[1].path + "/source", "text");
  console.log(JSON.stringify(made.map(({ path }) => path)));
  setInterval(() => {}, 60_000);`;

/** A process that writes temporaries into the directory: their paths, and how to kill it. */
async function writer(t: TestContext, directory: string) {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", WRITER, directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(child, "exit");
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await exit;
  };
  t.after(kill);
  const [text] = await soon("the writer has written", once(child.stdout, "data"));
  return { paths: JSON.parse(String(text)) as string[], kill };
}

test("what a living process writes stays however old it is; when it is killed, it is removed", async (t) => {
  const state = temporary(t);
  const notes = join(state, "layers/listings");
  mkdirSync(notes, { recursive: true });
  const { paths, kill } = await writer(t, notes);
  writeFileSync(join(notes, "abc.json"), "");
  for (const path of paths) utimesSync(path, 1, 1);
  assert.equal(removeLeftovers(state), 0);
  assert.ok(paths.every(existsSync));
  await kill();
  assert.equal(removeLeftovers(state), 2);
  assert.deepEqual(readdirSync(notes), ["abc.json"]);
});

test("process numbers do not count: every container has a process of the same one", (t) => {
  const state = temporary(t);
  // As a process of our number has left it, in another container or before a restart.
  writeFileSync(join(state, temporaryName("note")), "");
  assert.equal(removeLeftovers(state), 1);
  assert.deepEqual(readdirSync(state), []);
});

test("a temporary that was released or removed is no more; its name is its process's alone", (t) => {
  const directory = temporary(t);
  const [file, tree] = [temporaryFile(directory, "note"), temporaryDirectory(directory, "tree")];
  writeFileSync(join(tree.path, "source"), "");
  assert.equal(takeAbandoned(file.path), undefined);
  file.release();
  const taken = takeAbandoned(file.path);
  assert.equal(taken?.path, file.path);
  taken?.remove();
  tree.remove();
  tree.release();
  assert.deepEqual(readdirSync(directory), []);
});

test("a download that was cut off is kept for a week, and longer while somebody goes on with it", (t) => {
  const directory = temporary(t);
  const part = (digit: string): string => join(directory, `.${digit.repeat(64)}.x.part`);
  const used = lockedFile(() => part("a"));
  for (const digit of ["b", "c"]) writeFileSync(part(digit), "");
  for (const digit of ["a", "b"]) utimesSync(part(digit), 1, 1);
  assert.equal(removeLeftovers(directory), 1);
  assert.deepEqual(
    readdirSync(directory).sort(),
    [part("a"), part("c")].map((path) => basename(path)),
  );
  used.remove();
});

test("a state directory that does not exist yet has nothing left behind", (t) => {
  assert.equal(removeLeftovers(join(temporary(t), "none")), 0);
});
