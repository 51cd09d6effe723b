/** The runbook: every error that the edge answers is in it, by the words that clients see. */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";

const EDGE = join(import.meta.dirname, "../../../edge");
/** Shorter parts of a message, between what is filled in, say nothing. */
const MIN_WORDS = 2;

/** All of the edge's source as one text, strings that go on in the next line joined. */
async function sources(): Promise<string> {
  const files = (await readdir(EDGE, { recursive: true })).filter((file) => file.endsWith(".ts"));
  const texts = await Promise.all(files.map((file) => readFile(join(EDGE, file), "utf8")));
  return texts.join("\n").replace(/["'`] \+\s+["'`]/g, "");
}

describe("the runbook's errors", () => {
  let runbook: string;
  let source: string;
  let headings: string[];
  before(async () => {
    const text = await readFile(join(EDGE, "operator/runbook.md"), "utf8");
    runbook = text.slice(text.indexOf("## Errors that clients see"));
    headings = Array.from(runbook.matchAll(/^### (\d{3}[ ,].+)$/gm), ([, heading = ""]) => heading);
    source = await sources();
  });

  test("every code of the edge's errors, with its status", () => {
    const answers = Array.from(
      source.matchAll(/code: "([A-Z_]+)",\s+status: (\d{3})/g),
      ([, code = "", status = ""]) => ({ code, status }),
    );
    assert.ok(answers.length > 10, "the errors were not found");
    for (const { code, status } of answers)
      assert.ok(
        headings.some((heading) => heading.includes(status) && heading.includes(code)),
        `${status} ${code} is not in the runbook`,
      );
  });

  test("the codes of its headings exist", () => {
    for (const code of headings.flatMap((heading) => heading.match(/[A-Z_]{4,}/g) ?? []))
      assert.ok(source.includes(`"${code}"`), `nothing answers ${code}`);
  });

  test("the messages that it quotes are the edge's", () => {
    const quoted = Array.from(runbook.matchAll(/^- ("[^:]+?)[:,]/gm), ([, quotes = ""]) =>
      Array.from(quotes.matchAll(/"([^"]+)"/g), ([, message = ""]) => message),
    ).flat();
    assert.ok(quoted.length > 12, "the messages were not found");
    for (const message of quoted)
      for (const part of message.split("…").map((text) => text.trim()))
        if (part.split(" ").length >= MIN_WORDS)
          assert.ok(source.includes(part), `no message has "${part}"`);
  });

  test("each entry says what it means, how to see it, what to do, in this order", async () => {
    const text = await readFile(join(EDGE, "operator/runbook.md"), "utf8");
    for (const [, alert = "", entry = ""] of text.matchAll(/^### (Firn\w+)\n([^#]+?)(?=\n##)/gm)) {
      const places = ["**Means:**", "**See:**", "**Do"].map((word) => entry.indexOf(word));
      assert.ok(!places.includes(-1), `${alert} lacks a part`);
      assert.deepEqual(
        places,
        places.toSorted((a, b) => a - b),
        alert,
      );
    }
  });
});
