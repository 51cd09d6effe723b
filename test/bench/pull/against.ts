/**
 * Firn as it was at another commit: its own files, its own `npm start`, this tree's node_modules.
 */
import { mkdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { freePort } from "../../../origin/local/ports.ts";
import { type Daemon, startDaemon } from "../../harness/daemon.ts";
import { givePackageLists } from "../../harness/package-lists.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";

const REPOSITORY = fileURLToPath(new URL("../../..", import.meta.url));

export interface OtherFirn {
  readonly url: string;
  stop(): Promise<void>;
}

/** `revision`: as git reads it. Resolves when the edge answers; its origin may not yet be there. */
export async function startOtherFirn(revision: string): Promise<OtherFirn> {
  const root = await tempDir("against");
  let daemon: Daemon | undefined;
  const stop = async (): Promise<void> => {
    await daemon?.stop();
    await removeTree(root);
  };
  try {
    const tree = join(root, "tree");
    await mkdir(tree);
    const archive = join(root, "tree.tar");
    const commit = `${revision}^{commit}`;
    await execa("git", ["-C", REPOSITORY, "archive", `--output=${archive}`, commit]);
    await execa("tar", ["-C", tree, "-xf", archive]);
    await symlink(join(REPOSITORY, "node_modules"), join(tree, "node_modules"));
    const { scripts } = JSON.parse(await readFile(join(tree, "package.json"), "utf8")) as {
      scripts: { start: string };
    };
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const state = join(root, "state");
    // The package lists of this tree: the same store paths on both sides.
    await givePackageLists(join(state, "origin"));
    const env = {
      PATH: `${join(tree, "node_modules/.bin")}:${process.env["PATH"] ?? ""}`,
      PORT: String(port),
      HOST: "127.0.0.1",
      FIRN_STATE: state,
    };
    // npm itself would not hand the end on to an older commit's server.
    const command = `cd "$1" && exec ${scripts.start.replace(/^exec /, "")}`;
    daemon = await startDaemon(["sh", "-c", command, "sh", tree], env, () =>
      fetch(`${url}/v2/`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    return { url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
