/**
 * Every command of the pages is run, in order, as it stands but for what its reader fills in
 * (stand-ins.ts); what cannot be run is listed with the reason (not-run.ts). A Firn with the starter
 * set, a dockerd and another registry are there for all of them; each page has a checkout of its own.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { glob, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { hashPassword } from "../../edge/contract/account.ts";
import { type Need, ORIGIN_NEEDS, STARTER_NEEDS } from "../../origin/local/needs.ts";
import { nixConfig } from "../../origin/local/nix-config.ts";
import { ownPort } from "../harness/ports.ts";
import { originPublicKey } from "../../origin/local/secrets.ts";
import { unavailable } from "../harness/available.ts";
import { NEEDS } from "../harness/clients/client.ts";
import { startDockerd } from "../harness/clients/docker.ts";
import { DOCKER_REGISTRY, startDockerRegistry } from "../harness/docker-registry.ts";
import { startFirn } from "../harness/firn.ts";
import { givePackageLists } from "../harness/package-lists.ts";
import { pullManifest } from "../harness/registry-client.ts";
import { ROOT, type StartProcess } from "../harness/start-process.ts";
import { removeTree, tempDir } from "../harness/temp.ts";
import { NOT_RUN, STATUS, STAYS } from "./not-run.ts";
import { packageSet } from "../origin/nix/support.ts";
import { BASE } from "../system/tiny-set.ts";
import { type PageCommand, readPage } from "./page-commands.ts";
import { makeCheckout, runToEnd, startAndWait } from "./run-command.ts";
import { type Facts, filledIn } from "./stand-ins.ts";

/** In the order in which their commands are run: what operators do to the farm comes last. */
const PAGES = [
  "README.md",
  "edge/README.md",
  "edge/api/README.md",
  "edge/site/README.md",
  "edge/configuration.md",
  "edge/registry/images.md",
  "edge/registry/kubernetes.md",
  "origin/README.md",
  "origin/configuration.md",
  "origin/server/README.md",
  "edge/operator/public-instance.md",
  "edge/operator/security.md",
  "edge/operator/runbook.md",
  "edge/operator/README.md",
];
/** Commands that depend on nothing that a page writes: what one page has run, others need not. */
const ANYWHERE = new RegExp(
  "^(npm run deploy -- .* --dry-run|curl |docker (pull|login) |" +
    "npm run firn -- (farm|drain|rest|gc|pin|verify|doctor|user)\\b)",
);
const RSYNC: Need = { command: "rsync", debian: "rsync", purpose: "copies the bucket" };
const PASSWORD = "correct-horse-battery";

const pages = await Promise.all(
  PAGES.map(async (page) => ({
    page,
    ...readPage(page, await readFile(join(ROOT, page), "utf8")),
  })),
);
/** As GitHub makes them of headings. */
const anchors = (markdown: string): Set<string> =>
  new Set(
    Array.from(markdown.matchAll(/^#+ (.*)$/gm), ([, heading = ""]) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
const commands = pages.flatMap((page) => page.commands);
const where = ({ page, line, text }: PageCommand): string => `${page}:${line} ${text}`;

describe("what the pages say", () => {
  test("every block says what it is, so that no command is overlooked", () => {
    for (const { page, unmarked, broken } of pages) {
      assert.deepEqual(unmarked, [], `${page}: blocks without a language: sh, text, toml …`);
      assert.deepEqual(broken, [], `${page}: code spans that are broken over lines`);
    }
  });

  test("no page is left out", async () => {
    const found: string[] = [];
    for await (const page of glob("{README.md,{edge,origin,nix}/**/*.md}", { cwd: ROOT }))
      found.push(page);
    assert.deepEqual(found.toSorted(), PAGES.toSorted());
  });

  test("README is read in one sitting", async () => {
    const { length } = (await readFile(join(ROOT, "README.md"), "utf8")).split("\n");
    assert.ok(
      length < 140,
      `README.md has ${length} lines: details go to the page beside what they describe`,
    );
  });

  test("what is not run is in some page still", () => {
    assert.ok(commands.length > 80, `only ${commands.length} commands were found`);
    const texts = new Set(commands.map(({ text }) => text));
    const listed = [...Object.keys(NOT_RUN), ...STATUS.map(([text]) => text)];
    assert.deepEqual(
      listed.filter((text) => !texts.has(text)),
      [],
    );
  });

  test("what they link to is there, headings too", async () => {
    let links = 0;
    for (const page of PAGES) {
      const markdown = await readFile(join(ROOT, page), "utf8");
      for (const [, file = "", anchor] of markdown.matchAll(/\]\(([^)#:]*)(?:#([^)]*))?\)/g)) {
        links += 1;
        const path = file === "" ? page : join(dirname(page), file);
        const text = await readFile(join(ROOT, path), "utf8").catch(() => "");
        assert.notEqual(text, "", `${page} links to ${path}, which is not there`);
        if (anchor !== undefined)
          assert.ok(anchors(text).has(anchor), `${page} links to ${path}#${anchor}`);
      }
    }
    assert.ok(links > 50, `only ${links} links were found`);
  });

  test("commands of firn and scripts of npm that are only mentioned exist", async () => {
    const help = await runToEnd("node origin/main.ts --help", ROOT, {});
    const known = new Set(
      Array.from(help.stdout.matchAll(/^ {2}([a-z-]+) /gm), ([, name]) => name),
    );
    const { scripts } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as {
      scripts: object;
    };
    for (const mention of pages.flatMap((page) => page.mentions)) {
      const [, command] = /^firn ([a-z-]+)$/.exec(mention.text) ?? [];
      if (command !== undefined) assert.ok(known.has(command), where(mention));
      const [, script] = /^npm run (?:-s )?([a-z]+)/.exec(mention.text) ?? [];
      if (script !== undefined) assert.ok(script in scripts, where(mention));
    }
  });
});

const skip = await unavailable([
  ...ORIGIN_NEEDS,
  ...STARTER_NEEDS,
  ...NEEDS.docker,
  DOCKER_REGISTRY,
  RSYNC,
]);

describe("the commands of the pages", { skip }, () => {
  let root: string;
  let facts: Facts;
  let shared: Record<string, string>;
  const ends: (() => Promise<unknown>)[] = [];
  const doneAnywhere = new Set<string>();

  before(async () => {
    root = await tempDir("docs");
    ends.push(() => removeTree(root));
    const accounts = { root: { password: await hashPassword(PASSWORD), operator: true } };
    const stopped = <T extends { stop(): Promise<unknown> }>(started: T): T => {
      ends.push(() => started.stop());
      return started;
    };
    const starts = [
      startDockerRegistry().then(stopped),
      startDockerd().then(stopped),
      startFirn({
        site: true,
        edgeEnv: { ACCOUNTS: JSON.stringify(accounts), TOKEN_KEY: "k".repeat(32) },
      }).then(stopped),
    ] as const;
    // Also where one of them fails: then the others have to be stopped.
    await Promise.allSettled(starts);
    const [registry, docker, firn] = await Promise.all(starts);
    const { digest } = await pullManifest(firn.url, "shell/git");
    facts = {
      url: firn.url,
      host: firn.host,
      registry: registry.host,
      origin: firn.origins[0]?.name ?? "",
      served: "",
      rackKey: "",
      digest,
      password: PASSWORD,
      bucket: firn.edge.s3,
    };
    // A reader's own `firn`, as README has it; npm comes from where the machine has it.
    const bin = join(root, "bin");
    await mkdir(bin);
    await writeFile(
      join(bin, "firn"),
      `#!/bin/sh\nexec '${process.execPath}' '${join(ROOT, "origin/main.ts")}' "$@"\n`,
      { mode: 0o755 },
    );
    await symlink(process.execPath, join(bin, "node"));
    const cache = join(root, "cache");
    await givePackageLists(cache);
    shared = {
      ...docker.env,
      PATH: [bin, process.env["PATH"]].join(delimiter),
      HOME: root,
      FIRN_EDGE: firn.url,
      FIRN_USER: "root",
      FIRN_PASSWORD: PASSWORD,
      FIRN_CACHE: cache,
      NIX_CONFIG: await nixConfig(process.env, true),
    };
  });
  after(async () => {
    for (const end of ends.reverse()) await end();
  });

  for (const { page, commands: its } of pages) {
    if (its.every(({ text }) => text in NOT_RUN)) continue;
    describe(page, () => {
      let dir: string;
      const done = new Set<string>();
      const running = new Map<string, StartProcess>();
      before(async () => {
        dir = join(root, page.replaceAll("/", "-"));
        await makeCheckout(dir);
        await givePackageLists(join(dir, ".firn/origin"));
        await mkdir(join(dir, "backup"));
        await writeFile(join(dir, "packages.txt"), "shell\ngit\n");
        await writeFile(join(dir, "images.txt"), "shell/git\n");
        await mkdir(join(dir, "set"));
        const set = packageSet(`${BASE}\nhello = program "hello";`);
        await writeFile(join(dir, "set/default.nix"), set);
      });
      const endAll = async (): Promise<void> => {
        for (const process of [...running.values()].reverse()) await process.end("SIGTERM");
      };
      after(endAll);

      for (const command of its) {
        if (command.text in NOT_RUN) continue;
        test(`${command.line}: ${command.text}`, async () => {
          const keyFile = join(dir, "rack-1.key");
          const rackKey = existsSync(keyFile) ? await originPublicKey(keyFile) : "";
          const text = filledIn(command.text, { ...facts, rackKey });
          assert.doesNotMatch(text, /…/, "stand-ins.ts has nothing for what is left out");
          const stays = STAYS.find(([pattern]) => pattern.test(command.text));
          if (stays === undefined) {
            const ran = ANYWHERE.test(text) ? doneAnywhere : done;
            if (ran.has(text)) return;
            ran.add(text);
            const { status, output } = await runToEnd(text, dir, shared);
            const expected = STATUS.find(([one]) => one === command.text)?.[1] ?? 0;
            assert.equal(status, expected, `${text}\n${output}`);
          } else if (!running.has(text)) {
            const port = await ownPort();
            const ports = { PORT: String(port), BUCKET_PORT: String(await ownPort()) };
            const serves = text.endsWith(" serve");
            if (serves) {
              // The directory's state is one Firn's at a time.
              await endAll();
              facts = { ...facts, served: `http://127.0.0.1:${port}` };
            }
            const origins = { ORIGINS: JSON.stringify({ "rack-1": { key: rackKey } }) };
            const env = { ...shared, ...ports, ...(serves && origins), PACKAGE_SET: "starter" };
            running.set(text, await startAndWait(text, stays[1], dir, env));
          }
        });
      }
    });
  }
});
