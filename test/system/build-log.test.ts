/** The log of a build, followed by people while it runs, over a whole Firn. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Firn, firnUnavailable, startFirn } from "../harness/firn.ts";
import { pullImage, pullManifest, RegistryAnswer } from "../harness/registry-client.ts";
import { removeTree, tempDir } from "../harness/temp.ts";
import { until } from "../harness/until.ts";
import { type TinySet, tinySet } from "./tiny-set.ts";

const skip = await firnUnavailable();

/** Talk for some seconds, and take far longer than a pull is held. */
const ATTRIBUTES = ["one", "two"]
  .map(
    (name) =>
      `${name} = mk "${name}" ''
        for i in 1 2 3 4 5 6; do echo "${name} says $i" >&2; sleep 1; done
        mkdir -p $out/bin; echo ${name} > $out/bin/${name}
      '';`,
  )
  .concat(`three = mk "three" "sleep 5; mkdir -p $out/bin; echo three > $out/bin/three";`)
  .concat(`broken = mk "broken" "echo it cracks >&2; sleep 5; exit 1";`)
  .join("\n");

describe("the log of a build", { skip }, () => {
  let root: string;
  let firn: Firn;
  let set: TinySet;
  before(async () => {
    root = await tempDir("log");
    set = await tinySet(root, ATTRIBUTES);
    firn = await startFirn({
      packageSet: set.spec,
      originEnv: set.originEnv,
      edgeEnv: { BUILD_WAIT: "1" },
    });
  });
  after(async () => {
    await firn?.stop();
    await removeTree(root);
  });

  /** The address that the answer of a pull that is not held any longer names. */
  async function logUrl(name: string): Promise<string> {
    return until(`an address of the log of ${name}`, async () => {
      const error = await pullManifest(firn.url, name).then(
        () => assert.fail("it was built at once"),
        (error: unknown) => error,
      );
      assert.ok(error instanceof RegistryAnswer);
      const { log } = error.detail as { log?: string };
      if (log !== undefined) assert.ok(error.message.endsWith(`(its log: ${log})`), error.message);
      return log;
    });
  }

  test("is followed by many as text, from the beginning to the end, while the pull goes on", async () => {
    const url = await logUrl("one");
    const texts = await Promise.all([0, 1].map(async () => (await fetch(url)).text()));
    for (const text of texts) {
      assert.match(text, /^waiting for an origin\n/);
      for (let i = 1; i <= 6; i++) assert.match(text, new RegExp(`one says ${i}\n`));
      assert.match(text, /\ndone\n$/);
      assert.equal(text.split("one says 3").length, 2, "each line comes once");
    }
    await pullImage(firn.url, "one");
  });

  test("as server-sent events, resumed after the line that the browser had last", async () => {
    const url = await logUrl("two");
    const accept = "text/event-stream";
    const first = await fetch(url, { headers: { accept } });
    assert.equal(first.headers.get("content-type"), "text/event-stream; charset=utf-8");
    const reader = first.body?.pipeThrough(new TextDecoderStream()).getReader();
    let seen = "";
    while (!seen.includes("two says 1")) {
      const part = await reader?.read();
      assert.ok(part?.value !== undefined, `the log ended early: ${seen}`);
      seen += part.value;
    }
    await reader?.cancel();
    const last = /id: (\d+)\ndata: [^\n]*two says 1/.exec(seen)?.[1] ?? "";
    const rest = await (await fetch(url, { headers: { accept, "last-event-id": last } })).text();
    assert.doesNotMatch(rest, /two says 1\n/);
    assert.match(rest, /two says 6\n\n/);
    assert.match(rest, /event: end\ndata: {"state":"done"}\n\n$/);
  });

  test("of a build that fails ends with the reason", async () => {
    const text = await (await fetch(await logUrl("broken"))).text();
    assert.match(text, /it cracks\n/);
    assert.match(text, /\nfailed: .*exit code 1/);
  });

  test("has the id that follows a pull, from the edge's log to farm, origin and nix-build", async () => {
    const [, id = ""] = /\/builds\/([0-9a-f]{64})$/.exec(await logUrl("three")) ?? [];
    const short = id.slice(0, 12);
    await until("three is built", () => pullImage(firn.url, "three").catch(() => undefined));
    const lines = (): Record<string, unknown>[] =>
      firn
        .log()
        .split("\n")
        .flatMap((line) => /\{.*\}/.exec(line) ?? [])
        .flatMap((text) => {
          try {
            return [JSON.parse(text) as Record<string, unknown>];
          } catch {
            return [];
          }
        });
    const held = await until("the pull in the edge's log", () => {
      const found = lines().filter(({ event, build }) => event === "pull.held" && build === id);
      return found.length > 0 ? found : undefined;
    });
    for (const { request, path } of held) {
      assert.match(String(request), /^[0-9a-f-]{36}$/);
      assert.equal(path, "/v2/three/manifests/latest");
    }
    const assigned = lines().find(
      ({ event, builds }) => event === "job.assigned" && (builds as string[]).includes(short),
    );
    assert.ok(assigned !== undefined, `no job.assigned names ${short}`);
    const job = String(assigned["job"]);
    const [origin] = firn.origins;
    const said = origin?.lines.filter((line) => line.includes(job)) ?? [];
    assert.ok(said.length >= 2, `${said.length} lines of the origin are about the job ${job}`);
    for (const line of said) assert.ok(line.includes(short), line);
    assert.ok((await set.traces()).includes(short), "nix-build has it in its environment");
  });

  test("of no build: 404, in words", async () => {
    for (const id of ["0".repeat(64), "nonsense"]) {
      const response = await fetch(`${firn.url}/builds/${id}`);
      assert.equal(response.status, 404);
      assert.match(await response.text(), /there is no such build/);
    }
  });
});
