/**
 * `firn farm`, `drain` and `rest` as an operator runs them, against a real edge with a real origin.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, test } from "node:test";
import { execa } from "execa";
import * as v from "valibot";
import { FarmSchema, type FarmView } from "../../../edge/contract/farm-state.ts";
import { PASSWORD, withAccounts } from "../../edge/registry/accounts.ts";
import { startOrigin } from "../../edge/registry/origin.ts";
import { startTestEdge, type TestEdge } from "../../edge/registry/support.ts";
import { until } from "../../harness/until.ts";

let firn: TestEdge;
before(async () => {
  firn = await startTestEdge(withAccounts({ root: { operator: true }, ci: {} }));
  await startOrigin(firn);
});
after(() => firn.stop());

const env = (user = "root") => ({
  FIRN_EDGE: firn.url,
  FIRN_USER: user,
  FIRN_PASSWORD: PASSWORD,
});
const run = (args: readonly string[], user?: string) =>
  execa(process.execPath, ["origin/main.ts", ...args], { env: env(user), reject: false });
const farm = async (): Promise<FarmView> => {
  const { stdout } = await run(["farm", "--json"]);
  return v.parse(FarmSchema, JSON.parse(stdout));
};
const stateOf = async (name: string): Promise<string | undefined> =>
  (await farm()).origins.find((origin) => origin.name === name)?.state;

test("firn farm shows it once where there is no terminal, and --json shows all of it", async () => {
  const shown = await run(["farm"]);
  assert.equal(shown.exitCode, 0, shown.stderr);
  const lines = shown.stdout.split("\n");
  assert.match(lines[0] ?? "", new RegExp(`^${new URL(firn.url).host}  20`));
  assert.ok(
    lines.some((line) => /^world +1 of 2 +0 of 4 +0 +0 +0 +0 B$/.test(line)),
    shown.stdout,
  );
  assert.ok(
    lines.some((line) => /^test +connected +0 of 4 +\d+ s ago /.test(line)),
    shown.stdout,
  );
  assert.ok(
    lines.some((line) => /^other +not connected +– /.test(line)),
    shown.stdout,
  );
  // eslint-disable-next-line no-control-regex
  assert.doesNotMatch(shown.stdout, /\u001b/);
  assert.equal((await farm()).origins.length, 2);
});

test("firn drain and --undo, each twice", async () => {
  for (const [args, out, state] of [
    [["drain", "test"], "test is drained; it has no job", "drained"],
    [["drain", "test"], "test was already drained; it has no job", "drained"],
    [["drain", "test", "--undo"], "test is given jobs again", "connected"],
    [["drain", "test", "--undo"], "test was not drained", "connected"],
  ] as const) {
    const ran = await run(args);
    assert.deepEqual([ran.exitCode, ran.stdout], [0, out], ran.stderr);
    assert.equal(await stateOf("test"), state);
  }
});

test("firn rest, and its end", async () => {
  const rested = await run(["rest", "test", "--seconds", "600"]);
  assert.deepEqual([rested.exitCode, rested.stdout], [0, "test rests for 10 min; it has no job"]);
  assert.equal(await stateOf("test"), "rested");
  const ended = await run(["rest", "test", "--seconds", "0"]);
  assert.equal(ended.stdout, "test rests no longer; it is tried with one job");
  assert.equal(await stateOf("test"), "connected");
});

test("what is wrong is said in a line, with the exit status that it has everywhere", async () => {
  for (const [args, user, status, message] of [
    [["farm"], "ci", 5, /^firn: \S+ answered 403: the account ci is not an operator$/],
    [["farm"], "nobody", 5, /^firn: \S+ answered 401: check FIRN_USER and FIRN_PASSWORD: /],
    [
      ["drain", "tset"],
      "root",
      4,
      /answered 404: there is no origin tset: ORIGINS does not name it$/,
    ],
    [
      ["rest", "other", "--seconds", "9"],
      "root",
      4,
      /answered 404: the origin other is not connected/,
    ],
    [["rest", "test"], "root", 2, /'--seconds <n>' not specified/],
    [["rest", "test", "--seconds", "-1"], "root", 2, /whole number from 0 to 604800/],
  ] as const) {
    const ran = await run(args, user);
    assert.equal(ran.exitCode, status, ran.stderr);
    assert.match(ran.stderr, message);
    assert.equal(ran.stdout, "");
  }
});

test("in a terminal it is refreshed in place until Ctrl-C", async () => {
  const command = `stty cols 70 rows 12; exec ${process.execPath} origin/main.ts farm`;
  const child = spawn("script", ["-qefc", command, "/dev/null"], {
    env: { ...process.env, ...env() },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  try {
    await until("two screens", () => out.split("\u001b[H").length > 3);
    child.stdin.write("\u0003");
    assert.equal(await ended, 0, out);
  } finally {
    child.kill("SIGKILL");
  }
  assert.ok(out.startsWith("\u001b[?1049h"), "the terminal's other screen");
  assert.ok(out.trimEnd().endsWith("\u001b[?1049l"), "and back");
  const screens = out.split("\u001b[H").slice(1);
  for (const screen of screens) {
    const lines = screen.split("\u001b[K\r\n").slice(0, -1);
    assert.ok(lines.length > 5 && lines.length <= 11, `${lines.length} lines`);
    assert.ok(lines.every((line) => line.length <= 70));
  }
});
