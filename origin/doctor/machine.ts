/** The doctor's checks of this machine: programs, versions, disk, port, key. */
import { constants } from "node:fs";
import { access, readFile, stat, statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { publicKeyOf, readOriginKey } from "../channel/key.ts";
import { FLOOR_BYTES, FLOOR_SHARE } from "../disk/budget.ts";
import { missing, type Need } from "../local/needs.ts";
import { requirePort } from "../local/ports.ts";
import { size } from "../operator/table.ts";
import { version } from "../version.ts";
import { fault, type Finding, ok, warning } from "./finding.ts";

/** The Node that package.json brings: it runs TypeScript as it is. */
const OLDEST_NODE = 24;

/** Whether Node is new enough. */
export function checkVersions(): Finding {
  const { node } = process.versions;
  const text = `Firn ${version}, Node ${node}, ${process.platform} ${process.arch}`;
  return Number(node.split(".")[0]) >= OLDEST_NODE
    ? ok("versions", text)
    : fault(
        "versions",
        text,
        `run it with npm, which brings Node ${OLDEST_NODE}: npm run firn -- doctor`,
      );
}

/** Whether the needed programs are installed. */
export async function checkPrograms(needs: readonly Need[]): Promise<Finding> {
  const lacking = await missing(needs);
  if (lacking.length === 0) return ok("programs", "everything that is needed is installed");
  const names = lacking.map(({ command, purpose }) => `${command} (${purpose})`).join(", ");
  const packages = [...new Set(lacking.map(({ debian }) => debian))].join(" ");
  return fault(
    "programs",
    `missing: ${names}`,
    `apt-get install ${packages}, or use your system's package manager`,
  );
}

/** Whether a directory's file system has enough free space. The directory need not exist. */
export async function checkDisk(directory: string): Promise<Finding> {
  const there = await existing(resolve(directory));
  const { bsize, blocks, bavail } = await statfs(there);
  const [all, free] = [bsize * blocks, bsize * bavail];
  const floor = Math.min(FLOOR_BYTES, all * FLOOR_SHARE);
  const text = `${directory} has ${size(free)} free of ${size(all)}`;
  return free >= floor
    ? ok("disk", text)
    : fault(
        "disk",
        `${text}, and an origin keeps ${size(floor)} free`,
        "nix-collect-garbage frees what nothing needs; DISK_BUDGET says what may be used",
      );
}

async function existing(directory: string): Promise<string> {
  const there = await stat(directory).then(
    () => true,
    () => false,
  );
  return there || directory === "/" ? directory : existing(dirname(directory));
}

/** Whether the state directory can be written, or made. */
export async function checkState(directory: string): Promise<Finding> {
  try {
    // A directory that does not exist is not made here.
    const there = await existing(resolve(directory));
    if (!(await stat(there)).isDirectory()) throw new Error(`${there} is not a directory`);
    await access(there, constants.W_OK);
    return ok("state", `${directory} can be written`);
  } catch (error) {
    return fault(
      "state",
      `${directory} cannot be written: ${(error as Error).message}`,
      "name another directory with FIRN_STATE or STATE_DIR, or make it writable for this user",
    );
  }
}

/** Whether `npm start` can listen at the port, or a registry answers there already. */
export async function checkPort(host: string, port: number): Promise<Finding> {
  try {
    await requirePort(host, port);
    return ok("port", `${port} of ${host} is free`);
  } catch (error) {
    const running = await fetch(`http://127.0.0.1:${port}/v2/`, { redirect: "manual" }).then(
      ({ headers }) => headers.get("docker-distribution-api-version") !== null,
      () => false,
    );
    return running
      ? ok("port", `a registry answers at port ${port}`)
      : fault(
          "port",
          (error as Error).message,
          "choose another port with PORT, or stop what listens",
        );
  }
}

/** Whether the file has an origin's private key; undefined when none is configured. */
export async function checkKey(file: string | undefined): Promise<Finding | undefined> {
  if (file === undefined) return undefined;
  const make = "firn keygen --name NAME --out FILE makes one; its public half goes into ORIGINS";
  try {
    const key = readOriginKey(await readFile(file, "utf8"));
    const { mode } = await stat(file);
    const text = `${file} is a key, whose public half is ${publicKeyOf(key)}`;
    return (mode & 0o077) === 0
      ? ok("key", text)
      : warning("key", `${file} can be read by others`, `chmod 600 ${file}`);
  } catch (error) {
    return fault("key", `${file}: ${(error as Error).message}`, make);
  }
}
