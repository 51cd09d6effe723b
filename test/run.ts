/**
 * `npm test [-- --quick] [patterns…]`: runs the tests by node:test, several files at once, and fails
 * as well when the run leaves anything behind. test/README.md tells more.
 */
import { glob } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join, matchesGlob, relative } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { parseArgs } from "node:util";
import { installNeeds } from "./harness/install.ts";
import { watchLeftovers } from "./harness/leftovers.ts";

const ROOT = join(import.meta.dirname, "..");
const USAGE = `usage: npm test -- [--quick] [--starter-all] [patterns…]
  --quick        without clients, whole Firns, Nix and the slowest others: a minute or two
  --starter-all  also builds every attribute of the starter set, and pulls a hundred in one image
  patterns       files, folders or globs: test/edge/farm, "test/**/gc.test.ts"
`;
/** One more than there are cores: a file waits for half of its time, for timers or other processes. */
const FILES_AT_ONCE = availableParallelism() + 1;
/** How many of the files that took longest are shown at the end. */
const SLOWEST = 10;
/** Longest time for one test or hook, milliseconds: whatever hangs fails under its own name. */
const TEST_TIMEOUT = 180_000;
/**
 * What --quick leaves out. They run first, in this order, so that the longest does not begin when
 * all others are done.
 */
const SLOW = [
  "test/farm/**",
  "test/clients/{clients,own-image,crowd,alias}.test.ts",
  "test/docs/**",
  "test/origin/disk/firn.test.ts",
  "test/origin/commands/{build,remote,aliases}.test.ts",
  "test/clients/**",
  "test/edge/site/pages.test.ts",
  "test/edge/farm/{faults,roll-forward,jobs/dispatch}.test.ts",
  "test/system/{levels,union,sets,zstd,trouble,system}.test.ts",
  "test/system/**",
  "test/origin/starter/store.test.ts",
  "test/origin/{proxy,local/start}.test.ts",
  "test/origin/layers/**",
  "test/origin/{plan/command,main,publish/publish,publish/indexes,serve}.test.ts",
  "test/origin/commands/{look,doctor,completion}.test.ts",
  "test/{nix,origin/nix}/**",
  "test/edge/housekeeping/{race,gc,verify,killed}.test.ts",
  "test/origin/{deploy/deploy,disk/small-disk,disk/origin,operator/commands}.test.ts",
  "test/edge/operator/{alerts,prometheus}.test.ts",
  "test/edge/referrers/{referrers,spdx}.test.ts",
  "test/edge/pull/{tags/resolve-tag,images/derived-blobs,images/platforms}.test.ts",
  "test/edge/{compose/workerd,api/aliases,api/images}.test.ts",
  "test/edge/farm/{publication/agreement,configured,in-regions,jobs/history}.test.ts",
  "test/abuse/**",
];
/** They run when it is asked for: each builds all of the starter set, or nearly. */
const STARTER_ALL = new Set(["test/origin/starter/all.test.ts", "test/clients/hundred.test.ts"]);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    "starter-all": { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  process.stdout.write(USAGE);
  process.exit();
}

/** Its place among the slow files; SLOW.length: it is not one. */
const slowness = (file: string): number => {
  const at = SLOW.findIndex((pattern) => matchesGlob(file, pattern));
  return at < 0 ? SLOW.length : at;
};

async function chooseFiles(): Promise<string[]> {
  const all: string[] = [];
  for await (const file of glob("test/**/*.test.ts", { cwd: ROOT })) all.push(file);
  const stale = SLOW.filter((pattern) => !all.some((file) => matchesGlob(file, pattern)));
  if (stale.length > 0) throw new Error(`SLOW of test/run.ts names no file: ${stale.join(", ")}`);
  const patterns = positionals.map((pattern) =>
    relative(ROOT, join(process.cwd(), pattern)).replace(/\/$/, ""),
  );
  const asked = (file: string): boolean =>
    patterns.length === 0 ||
    patterns.some((pattern) => matchesGlob(file, pattern) || file.startsWith(`${pattern}/`));
  return all
    .sort()
    .filter(asked)
    .filter((file) => !STARTER_ALL.has(file) || values["starter-all"])
    .filter((file) => !values.quick || slowness(file) === SLOW.length)
    .sort((a, b) => slowness(a) - slowness(b));
}

const files = await chooseFiles();
if (files.length === 0) {
  process.stderr.write(`no test file matches ${positionals.join(" ")}\n${USAGE}`);
  process.exit(2);
}
if (!values.quick) await installNeeds();
const watch = await watchLeftovers(ROOT);

const failures: string[] = [];
const times: { readonly file: string; readonly seconds: number }[] = [];
const tests = run({
  cwd: ROOT,
  files: files.map((file) => join(ROOT, file)),
  concurrency: FILES_AT_ONCE,
  timeout: TEST_TIMEOUT,
  // A test that hangs has failed by then; what it left open must not hold up its file.
  execArgv: ["--test-force-exit"],
});
tests.on("test:fail", ({ todo }) => {
  if (todo === undefined) process.exitCode = 1;
});
tests.on("test:pass", ({ name, skip }) => {
  if (skip !== undefined && process.env["CI"] === "true")
    failures.push(`CI=true, and yet a test was skipped: ${name} (${String(skip)})`);
});
tests.on("test:summary", ({ file, duration_ms: ms }) => {
  if (file !== undefined) times.push({ file: relative(ROOT, file), seconds: ms / 1_000 });
});
for await (const text of tests.compose(new spec())) process.stdout.write(text);

times.sort((a, b) => b.seconds - a.seconds);
for (const { file, seconds } of times.slice(0, SLOWEST))
  process.stdout.write(`${seconds.toFixed(0).padStart(4)} s  ${file}\n`);
failures.push(...(await watch.leftovers()));
for (const failure of failures) process.stderr.write(`✖ ${failure}\n`);
if (failures.length > 0) process.exitCode = 1;
