/**
 * A small git repository for tests, as a bare one that plain file transfer can serve ("dumb" HTTP).
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";

/** No configuration of the machine or of the user takes part. */
const ENV = {
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_SYSTEM: "/dev/null",
  GIT_AUTHOR_NAME: "Firn",
  GIT_AUTHOR_EMAIL: "firn@example.org",
  GIT_COMMITTER_NAME: "Firn",
  GIT_COMMITTER_EMAIL: "firn@example.org",
};

const git = (cwd: string, ...args: string[]) =>
  execa("git", args, { cwd, env: ENV, stdin: "ignore" });

/** Makes `<parent>/<name>.git` with one commit of `files`; returns the commit. */
export async function makeRepository(
  parent: string,
  name: string,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  await git(parent, "init", "--quiet", "--initial-branch=main", `${name}.work`);
  await git(parent, "init", "--quiet", "--initial-branch=main", "--bare", `${name}.git`);
  return commitFiles(parent, name, files);
}

/** Commits `files` to the repository and returns the commit. */
export async function commitFiles(
  parent: string,
  name: string,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  const work = join(parent, `${name}.work`);
  for (const [path, text] of Object.entries(files)) await writeFile(join(work, path), text);
  await git(work, "add", "--all");
  await git(work, "commit", "--quiet", "--message=Snow");
  await git(work, "push", "--quiet", `../${name}.git`, "main");
  await git(join(parent, `${name}.git`), "update-server-info");
  return (await git(work, "rev-parse", "HEAD")).stdout;
}
