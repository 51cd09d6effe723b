/** Accounts: what ACCOUNTS may hold, and what an account may have. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  mayBuild,
  packagesRefusal,
  parseAccounts,
  refusal,
} from "../../../edge/access/accounts.ts";
import { parseImageName } from "../../../edge/contract/names.ts";
import { hashPassword } from "../../../edge/contract/account.ts";

const password = await hashPassword("correct horse battery");
const account = (rest: Record<string, unknown> = {}) => {
  const [found] = parseAccounts(JSON.stringify({ ci: { password, ...rest } })).values();
  assert.ok(found);
  return found;
};

describe("ACCOUNTS", () => {
  test("is a JSON object of accounts; empty means none", () => {
    assert.equal(parseAccounts("").size, 0);
    assert.deepEqual(account(), { name: "ci", password, build: true, operator: false });
  });

  test("an account may be called as what every object has", () => {
    const accounts = parseAccounts(
      JSON.stringify({ constructor: { password }, prototype: { password, build: false } }),
    );
    assert.deepEqual([...accounts.keys()], ["constructor", "prototype"]);
    assert.equal(accounts.get("constructor")?.name, "constructor");
    assert.equal(accounts.get("prototype")?.build, false);
  });

  test("an account may have limits of its own, written as the registry's are", () => {
    const { limits } = account({ limits: { images: "1000/60", waits: "5", tags: "off" } });
    assert.deepEqual(limits, {
      images: { count: 1_000, seconds: 60 },
      waits: { count: 5, seconds: 0 },
      tags: null,
    });
  });

  const wrong: readonly (readonly [title: string, text: string, problem: RegExp])[] = [
    ["no JSON", "ci:secret", /JSON object/],
    ["a plain password", JSON.stringify({ ci: { password: "secret" } }), /ci\.password.*firn user/],
    ["a password for an account", JSON.stringify({ ci: "secret" }), /ci: .*Expected Object/],
    ["a colon in a name", JSON.stringify({ "a:b": { password } }), /1 to 64 letters/],
    ["a name that is none", `{"__proto__": {"password": "${password}"}}`, /__proto__.*1 to 64/],
    ["a list", "[]", /must be an object/],
    ["an unknown key", JSON.stringify({ ci: { password, admin: true } }), /admin/],
    [
      "a limit in words",
      JSON.stringify({ ci: { password, limits: { images: "many" } } }),
      /limits\.images.*<count>\/<seconds>/,
    ],
    [
      "a limit of logins",
      JSON.stringify({ ci: { password, limits: { logins: "9/9" } } }),
      /limits\.logins/,
    ],
    ["an empty glob", JSON.stringify({ ci: { password, names: [""] } }), /is empty/],
  ];
  for (const [title, text, problem] of wrong) {
    test(`${title} is an error that names the place and shows no secret`, () => {
      assert.throws(
        () => parseAccounts(text),
        (error: Error) => {
          assert.match(error.message, /^ACCOUNTS/);
          assert.match(error.message, problem);
          assert.doesNotMatch(error.message, /secret|pbkdf2-sha256\$/);
          return true;
        },
      );
    });
  }
});

describe("what an account may have", () => {
  const cases: readonly (readonly [rest: object, name: string, refused: RegExp | undefined])[] = [
    [{}, "shell/git", undefined],
    [{ names: ["shell*"] }, "shell/git", undefined],
    [{ names: ["shell/git"] }, "git/shell", /it may pull images whose names match shell\/git/],
    [{ packages: { allow: ["git", "curl"] } }, "shell/git/curl", undefined],
    [{ packages: { allow: ["git"] } }, "git/curl", /may not have the package curl.*git/],
    [{ packages: { deny: ["gcc*"] } }, "git/gcc13", /gcc\* is denied/],
    [{ packages: { allow: ["*"], deny: ["curl"] } }, "curl", /curl is denied/],
    [{ packages: { allow: [] } }, "shell", undefined],
  ];
  for (const [rest, name, refused] of cases) {
    test(`${JSON.stringify(rest)}: ${name}`, () => {
      const found = refusal(account({ ...rest }), parseImageName(name));
      if (refused === undefined) assert.equal(found, undefined);
      else assert.match(found ?? "", refused);
    });
  }

  for (const [rest, packages, refused] of [
    [{}, ["git", "curl"], undefined],
    [{ names: ["shell/git"] }, ["git", "cacert", "nano", "bashinteractive"], undefined],
    [{ names: ["shell/git", "jq"] }, ["Git", "JQ"], undefined],
    [{ names: ["git"] }, ["git", "curl"], /may not have the package curl: its image names are git/],
    [{ names: ["git"] }, ["nano"], /may not have the package nano/],
    [{ names: [] }, ["git"], /may not have the package git/],
    // `git/curl` is a name that it matches.
    [{ names: ["git*"] }, ["curl"], undefined],
    [{ names: ["git*"], packages: { deny: ["curl"] } }, ["curl"], /curl is denied/],
  ] as const)
    test(`${JSON.stringify(rest)}: packages ${packages.join(", ")}`, () => {
      const found = packagesRefusal(account(rest), packages);
      if (refused === undefined) assert.equal(found, undefined);
      else assert.match(found ?? "", refused);
    });

  test("who may start builds", () => {
    assert.deepEqual(
      (["public", "cached", "private"] as const).map((mode) => [
        mayBuild(mode, null),
        mayBuild(mode, account()),
        mayBuild(mode, account({ build: false })),
      ]),
      [
        [true, true, false],
        [false, true, false],
        [false, true, false],
      ],
    );
  });
});
