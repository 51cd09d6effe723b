/** The list of versions and descriptions: what is put in is found again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeAbout, PackageAbout } from "../../../edge/contract/package-about.ts";

const about = (entries: Readonly<Record<string, string>>): PackageAbout =>
  new PackageAbout(
    new TextDecoder().decode(
      encodeAbout(
        new Map(
          Object.entries(entries).map(([attribute, description]) => [
            attribute,
            { version: "1.0", description },
          ]),
        ),
      ),
    ),
  );

test("an attribute is found by its name, and by all words of its description", () => {
  const list = about({ jq: "A JSON processor", git: "Version control", yq: "YAML and JSON" });
  assert.deepEqual(list.find("jq"), { version: "1.0", description: "A JSON processor" });
  assert.equal(list.find("j"), undefined);
  assert.deepEqual(list.describedBy(["json"], 9), ["jq", "yq"]);
  assert.deepEqual(list.describedBy(["json", "yaml"], 9), ["yq"]);
  assert.deepEqual(list.describedBy(["json"], 1), ["jq"]);
});

test("a letter that is two in lower case moves no other entry", () => {
  const list = about({ a: "Fonts of İzmir and İstanbul", jq: "A JSON processor" });
  assert.deepEqual(list.describedBy(["json"], 9), ["jq"]);
});
