/**
 * What small-disk.test.ts runs where /nix is a file system of 300 MB of its own: one scenario, by
 * name, with real Nix. An assertion that fails ends it with an error.
 */
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statfsSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import type { DiskBudget } from "../../../origin/disk/budget.ts";
import { isDiskFull } from "../../../origin/disk/full.ts";
import { Disk, type DiskStatus } from "../../../origin/disk/watch.ts";
import { openPackageSet } from "../../../origin/nix/package-set.ts";
import { packageSet, quiet, signal, system } from "../nix/support.ts";

const MB = 1e6;
/** Of the 300 MB: 30 MB are kept free, and collecting begins when 45 are left, and ends at 60. */
const PACKAGE = 25 * MB;

const directory = mkdtempSync(join(tmpdir(), "firn-disk-"));

/** A package set of packages of 25 MB each, and the disk that its origin watches. */
async function begin({ gc = true, budget = {} as DiskBudget } = {}) {
  const set = join(directory, "set");
  const attributes = Array.from(
    { length: 12 },
    (_, index) => `p${index} = mk "p${index}" "head -c ${PACKAGE} /dev/zero > $out";`,
  );
  const huge = `huge = mk "huge" "head -c 400000000 /dev/zero > $out";`;
  await execa("mkdir", [set]);
  writeFileSync(join(set, "default.nix"), packageSet(attributes.join("\n") + huge));
  const stateDir = join(directory, "state");
  const packages = await openPackageSet(`path:${set}`, {
    stateDir: join(stateDir, "sets"),
    systems: [system],
    logger: quiet,
  });
  const revision = await packages.resolve("latest", signal);
  const said: DiskStatus[] = [];
  const disk = await Disk.open({
    stateDir,
    budget,
    gc,
    nixTimeout: 60,
    release: () => packages.release(),
    logger: quiet,
    onStatus: (status) => said.push(status),
    // Looks are the test's own.
    checkMs: 1e9,
    pauseMs: 0,
  });
  return {
    packages,
    disk,
    said,
    /** Builds one package, held by a job until `settled`; its store path, or its failure. */
    async build(name: string, settled?: AbortSignal) {
      const options = { signal, log: () => {}, settled };
      const [outcome] = await packages.build({ revision, system, names: [name] }, options);
      assert.ok(outcome);
      if (outcome.kind === "failure") return { path: "", failure: outcome.failure };
      return { path: outcome.package.storePath, failure: undefined };
    },
  };
}

const free = (): number => {
  const { bavail, bsize } = statfsSync("/nix/store");
  return bavail * bsize;
};

const SCENARIOS: Record<string, () => Promise<void>> = {
  /** What was used last, and what a job holds, outlives a collection. */
  async collects() {
    const { build, disk, said } = await begin();
    const job = new AbortController();
    const held = await build("p0", job.signal);
    const others: string[] = [];
    for (let index = 1; index <= 9; index += 1) others.push((await build(`p${index}`)).path);
    const [first = "", second = ""] = others;
    const logs = "/nix/var/log/nix/drvs";
    const hasLogs = existsSync(logs) && readdirSync(logs, { recursive: true }).length > 0;
    assert.ok(hasLogs, "Nix keeps a log of each build here");
    const [oldLog, newLog] = [join(logs, "00/old.drv.bz2"), join(logs, "00/new.drv.bz2")];
    mkdirSync(join(logs, "00"), { recursive: true });
    for (const log of [oldLog, newLog]) writeFileSync(log, "");
    utimesSync(oldLog, 1, Date.now() / 1_000 - 31 * 24 * 3_600);
    const [recent, old] = [others.slice(-3), others.slice(1, -3)];
    // Asked for again: used last.
    assert.equal((await build("p1")).path, first);
    assert.ok(free() < 60 * MB && free() > 30 * MB, `${free()} bytes are free`);
    await disk.check();
    assert.ok(free() >= 60 * MB, `${free()} bytes are free`);
    assert.ok(existsSync(held.path), "a job holds it");
    assert.ok([first, ...recent].every(existsSync), "what was used last stays");
    assert.ok(!old.every(existsSync), "what was not used for long is collected");
    assert.ok(!existsSync(oldLog) && existsSync(newLog), "of logs only old ones are removed");
    assert.deepEqual(said, [], "it took jobs all the time");
    // What was collected is built again.
    assert.equal((await build("p2")).path, second);
    assert.ok(existsSync(second));
    await disk.close();
  },

  /** At its limit the origin takes no jobs, and does again when jobs have ended. */
  async limit() {
    const { build, disk, said } = await begin();
    const job = new AbortController();
    const paths: string[] = [];
    for (let index = 0; index < 11; index += 1)
      paths.push((await build(`p${index}`, job.signal)).path);
    await disk.check();
    assert.equal(disk.status.accepting, false);
    assert.match(disk.status.reason ?? "", /^the disk is full: \/nix\/store has .* free/);
    assert.ok(paths.every(existsSync), "nothing that a job holds was collected");
    job.abort();
    await disk.check();
    assert.deepEqual(
      said.map(({ accepting }) => accepting),
      [false, true],
    );
    assert.ok(disk.status.freeBytes >= 60 * MB);
    await disk.close();
  },

  /** A build that fills the disk is the origin's own trouble; nothing of it is left. */
  async fills() {
    const { build, disk } = await begin();
    const before = free();
    const { failure } = await build("huge");
    assert.equal(failure?.reason, "error");
    assert.match(failure?.message ?? "", /the disk is full/);
    assert.ok(isDiskFull(failure));
    await disk.full();
    assert.ok(free() >= before - MB, "what was half written is removed");
    assert.equal(disk.status.accepting, true);
    assert.equal((await build("p1")).failure, undefined);
    await disk.close();
  },

  /** Without leave to collect, no store path is removed, but roots are given up. */
  async "gc-off"() {
    const { build, disk, packages } = await begin({ gc: false });
    const paths: string[] = [];
    for (let index = 0; index < 11; index += 1) paths.push((await build(`p${index}`)).path);
    await disk.check();
    assert.equal(disk.status.accepting, false);
    assert.ok(paths.every(existsSync));
    assert.equal(packages.release(), 0, "all roots were given up");
    await execa("nix-collect-garbage", { env: { HOME: directory } });
    assert.ok(!paths.some(existsSync), "so the operator can collect");
    await disk.check();
    assert.equal(disk.status.accepting, true);
    await disk.close();
  },

  /** A budget counts the store and the state directory, whatever is free. */
  async budget() {
    const { build, disk } = await begin({ budget: { used: 120 * MB, free: MB } });
    const paths: string[] = [];
    for (let index = 0; index < 5; index += 1) paths.push((await build(`p${index}`)).path);
    assert.ok(free() > 150 * MB);
    await disk.check();
    assert.ok(disk.status.accepting);
    assert.ok(!paths.slice(0, 3).every(existsSync) && paths.slice(3).every(existsSync));
    writeFileSync(join(directory, "state/clone"), Buffer.alloc(130 * MB));
    await disk.check();
    assert.equal(disk.status.accepting, false);
    assert.match(disk.status.reason ?? "", /of 120\.0 MB/);
    await disk.close();
  },
};

try {
  await SCENARIOS[process.argv[2] ?? ""]?.();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
