import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { lockFile } from "../../../../origin/disk/file-lock.ts";
import { withoutUserinfo } from "../../../../origin/nix/sets/git-command.ts";
import { gitSources } from "../../../../origin/nix/sets/git.ts";
import { tagNames } from "../../../../origin/nix/sets/tag-names.ts";
import { Revisions } from "../../../../origin/nix/sets/revisions.ts";
import { FailureError } from "../../../../origin/nix/types.ts";
import {
  needs,
  open,
  packageSet,
  signal,
  summary,
  system,
  temporary,
  unknownRevision,
} from "../support.ts";

const nix = { ...needs("nix-build", "git"), timeout: 120_000 };
const env = {
  PATH: process.env["PATH"] ?? "",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_AUTHOR_NAME: "t",
  GIT_AUTHOR_EMAIL: "t@t",
  GIT_COMMITTER_NAME: "t",
  GIT_COMMITTER_EMAIL: "t@t",
};

const unknown = (error: unknown): boolean =>
  error instanceof FailureError && error.failure.reason === "unknown";

/**
 * A repository: one ← two (main, HEAD) ← three (dev), the annotated tag v1 at one. Packages are
 * named after the commit.
 */
function repository(t: TestContext) {
  const directory = temporary(t);
  const git = (...args: string[]): string =>
    execFileSync("git", ["-C", directory, ...args], { env, encoding: "utf8" }).trim();
  const commit = (name: string): string => {
    writeFileSync(join(directory, "default.nix"), packageSet(`${name} = program "${name}";`));
    git("add", "--all");
    git("commit", "-q", "-m", name);
    return git("rev-parse", "HEAD");
  };
  git("init", "-q", "-b", "main");
  mkdirSync(join(directory, "sub"));
  writeFileSync(join(directory, "sub", "file"), "$Format:%H$\r\n");
  symlinkSync("sub/file", join(directory, "link"));
  writeFileSync(join(directory, ".gitattributes"), "*.nix export-ignore\nsub/file export-subst\n");
  const one = commit("one");
  git("tag", "-a", "v1", "-m", "v1");
  const two = commit("two");
  git("checkout", "-q", "-b", "dev");
  const three = commit("three");
  git("checkout", "-q", "main");
  return { directory, url: `file://${directory}`, git, commit, one, two, three };
}

test("branches and tags are listed, what cannot be an image's tag is not", nix, async (t) => {
  const { url, git, one } = repository(t);
  for (const tag of ["v2", "v10", "release/1", "x".repeat(129)]) git("tag", tag);
  git("branch", "v2");
  git("update-ref", "refs/pull/1/head", one);
  const set = await open(t, `git:${url}`);
  assert.deepEqual(await set.tags(signal), ["dev", "main", "v2", "v10", "v1"]);
});

test("of too many the branches and the newest tags are listed", () => {
  const refs = Array.from({ length: 3_000 }, (_, at) => `refs/tags/v${at}`);
  const names = tagNames([...refs, "refs/heads/main", "refs/tags/main"]);
  assert.equal(names.length, 2_000);
  assert.deepEqual(names.slice(0, 3), ["main", "v2999", "v2998"]);
});

test(
  "a tag is HEAD, a branch, a git tag, or a commit that one of these contains",
  nix,
  async (t) => {
    const { url, git, one, two, three } = repository(t);
    const set = await open(t, `git:${url}`);
    assert.deepEqual(
      await Promise.all(
        ["latest", "main", "dev", "v1", one].map((tag) => set.resolve(tag, signal)),
      ),
      [two, two, three, one, one],
    );
    git("branch", "both", three);
    git("tag", "both", one);
    assert.equal(await set.resolve("both", signal), three);
    for (const tag of [
      "nope",
      "0".repeat(40),
      one.slice(0, 8),
      "HEAD^",
      "refs",
      "--upload-pack=touch x",
      "-n",
    ])
      await assert.rejects(set.resolve(tag, signal), unknown, tag);
  },
);

test("each revision builds its own files, exactly as committed", nix, async (t) => {
  const { url, one, two, three } = repository(t);
  const set = await open(t, `git:${url}`);
  for (const [revision, name] of [
    [two, "two"],
    [three, "three"],
    [one, "one"],
  ] as const) {
    assert.deepEqual(
      summary(await set.build({ revision, system, names: [name] }, { signal, log: () => {} })),
      { [name]: name },
    );
  }
});

test(
  "a source is the same store path whichever origin fetched it, tip or history",
  nix,
  async (t) => {
    const { url, git, one, three } = repository(t);
    const source = async (revision: string): Promise<string> => {
      const settings = { stateDir: temporary(t), nixTimeout: 60 };
      const backend = await gitSources({
        id: "git-test",
        url,
        settings,
        revisions: new Revisions(settings, "git-test"),
      });
      return (await backend.source(revision, signal)).path;
    };
    const asTip = await source(three);
    git("checkout", "-q", "dev");
    writeFileSync(
      join(
        execFileSync("git", ["-C", url.slice("file://".length), "rev-parse", "--show-toplevel"], {
          env,
          encoding: "utf8",
        }).trim(),
        "more",
      ),
      "",
    );
    git("add", "--all");
    git("commit", "-q", "-m", "four");
    assert.equal(await source(three), asTip);
    assert.match(asTip, /-source$/);
    assert.equal(
      execFileSync("cat", [`${asTip}/sub/file`], { encoding: "utf8" }),
      "$Format:%H$\r\n",
    );
    assert.ok(existsSync(`${await source(one)}/default.nix`));
  },
);

test("a commit that only a pull request contains is not served", nix, async (t) => {
  const { url, git, commit } = repository(t);
  git("checkout", "-q", "--detach");
  const foreign = commit("foreign");
  git("update-ref", "refs/pull/1/head", foreign);
  git("checkout", "-q", "main");
  git("config", "uploadpack.allowAnySHA1InWant", "true");
  const set = await open(t, `git:${url}`);
  await assert.rejects(set.resolve(foreign, signal), unknownRevision(foreign, "set"));
  await assert.rejects(
    set.build({ revision: foreign, system, names: ["foreign"] }, { signal, log: () => {} }),
    unknownRevision(foreign, "set"),
  );
});

test("a moved branch is seen, and what was fetched outlives the repository", nix, async (t) => {
  const { url, directory, commit, two } = repository(t);
  const set = await open(t, `git:${url}`);
  assert.equal(await set.resolve("latest", signal), two);
  await set.build({ revision: two, system, names: ["two"] }, { signal, log: () => {} });
  const four = commit("four");
  assert.equal(await set.resolve("latest", signal), four);
  rmSync(directory, { recursive: true });
  assert.deepEqual(
    summary(await set.build({ revision: two, system, names: ["two"] }, { signal, log: () => {} })),
    { two: "two" },
  );
  await assert.rejects(
    set.resolve("latest", signal),
    (error) => error instanceof FailureError && error.failure.reason === "error",
  );
});

test("git itself refuses a URL that runs a program", nix, async (t) => {
  const mark = join(temporary(t), "mark");
  const settings = { stateDir: temporary(t), nixTimeout: 60 };
  for (const url of [`ext::sh -c touch% ${mark}`, `--upload-pack=touch ${mark}`]) {
    const backend = await gitSources({
      id: "git-test",
      url,
      settings,
      revisions: new Revisions(settings, "git-test"),
    });
    await assert.rejects(backend.resolve("latest", signal), FailureError);
  }
  assert.equal(existsSync(mark), false);
});

test("git's messages are shown without passwords", () => {
  assert.equal(
    withoutUserinfo("fatal: unable to access 'https://me:secret@host/x.git/': no"),
    "fatal: unable to access 'https://host/x.git/': no",
  );
});

test(
  "a day is the default branch at its end, by first parents; a ref of that name comes first",
  nix,
  async (t) => {
    const { url, git, directory } = repository(t);
    /** A commit on the branch that is checked out, committed at a time. */
    const commitAt = (name: string, time: string): string => {
      writeFileSync(join(directory, "file"), name);
      git("add", "--all");
      const dated = { ...env, GIT_COMMITTER_DATE: time, GIT_AUTHOR_DATE: "2001-01-01T00:00:00Z" };
      execFileSync("git", ["-C", directory, "commit", "-q", "-m", name], { env: dated });
      return git("rev-parse", "HEAD");
    };
    git("checkout", "-q", "--orphan", "dated");
    const first = commitAt("first", "2026-10-30T23:59:59Z");
    const second = commitAt("second", "2026-11-01T12:00:00Z");
    git("checkout", "-q", "-b", "side");
    commitAt("side", "2026-11-02T08:00:00Z");
    git("checkout", "-q", "dated");
    const late = { ...env, GIT_COMMITTER_DATE: "2026-11-03T00:00:00Z" };
    execFileSync("git", ["-C", directory, "merge", "-q", "--no-ff", "-m", "merge", "side"], {
      env: late,
    });
    const merge = git("rev-parse", "HEAD");
    const set = await open(t, `git:${url}`);
    const days = ["2026-10-30", "2026-10-31", "2026-11-01", "2026-11-02", "2026-11-03"];
    assert.deepEqual(await Promise.all(days.map((day) => set.resolve(day, signal))), [
      first,
      first,
      second,
      second,
      merge,
    ]);
    git("tag", "2026-10-31", merge);
    assert.equal(await set.resolve("2026-10-31", signal), merge);
    for (const [day, why] of [
      ["2026-10-29", /the default branch has no commit from 2026-10-29 or before/],
      ["2026-02-30", /no day 2026-02-30/],
      ["9999-01-01", /in the future: today is/],
    ] as const)
      await assert.rejects(set.resolve(day, signal), (error) => {
        assert.ok(unknown(error));
        assert.match((error as Error).message, why);
        return true;
      });
  },
);

for (const [clone, lock, isOld] of [
  ["history", "refs/heads/main.lock", true],
  ["tips", "shallow.lock", false],
] as const)
  test(`a ${clone} clone that a killed git has left locked is made anew`, nix, async (t) => {
    const { url, commit } = repository(t);
    const stateDir = temporary(t);
    const settings = { stateDir, nixTimeout: 60 };
    const revisions = new Revisions(settings, "id");
    const set = await gitSources({ id: "id", url, settings, revisions });
    const first = commit("first");
    await set.source(first, signal);
    if (isOld) await set.resolve("2000-01-01", signal).catch(() => undefined);
    const directory = join(stateDir, "git/id", `${clone}.git`);
    // As a power cut leaves it: the lock is there, and nobody holds it.
    writeFileSync(join(directory, lock), "");
    const second = commit("second");
    const third = commit("third");
    assert.ok(existsSync((await set.source(isOld ? second : third, signal)).path));
    assert.ok(!existsSync(join(directory, lock)));
  });

test(
  "a clone that another process is fetching into is waited for, not made anew",
  nix,
  async (t) => {
    const { url, commit } = repository(t);
    const stateDir = temporary(t);
    const settings = { stateDir, nixTimeout: 60 };
    const revisions = new Revisions(settings, "id");
    const set = await gitSources({ id: "id", url, settings, revisions });
    await set.source(commit("first"), signal);
    const directory = join(stateDir, "git/id");
    // As another process has it in the middle of a fetch.
    const [lock, mark] = ["shallow.lock", "mark"].map((name) => join(directory, "tips.git", name));
    for (const file of [lock, mark]) writeFileSync(file!, "");
    const fd = openSync(directory, "r");
    assert.equal(lockFile(fd), "locked");
    const second = set.source(commit("second"), signal);
    const left = new AbortController();
    const third = assert.rejects(
      (
        await gitSources({ id: "id", url, settings, revisions: new Revisions(settings, "id") })
      ).source(commit("third"), left.signal),
      /nobody waits/,
    );
    await sleep(1_000);
    left.abort(new Error("nobody waits"));
    await third;
    rmSync(lock!);
    closeSync(fd);
    assert.ok(existsSync((await second).path));
    assert.ok(existsSync(mark!), "it is the same clone");
  },
);
