/** Installs what the tests need and this machine lacks, by apt as root on Debian, all at once. */
import { type Need, ORIGIN_NEEDS, satisfy, STARTER_NEEDS } from "../../origin/local/needs.ts";
import { NEEDS } from "./clients/client.ts";
import { CHROMIUM } from "./chromium.ts";
import { OPENSSL } from "./https-server.ts";
import { PROMETHEUS } from "./prometheus.ts";

/** What single tests unpack and compare with. */
const TOOLS: readonly Need[] = [
  { command: "zstd", debian: "zstd", purpose: "unpacks layers" },
  { command: "xz", debian: "xz-utils", purpose: "unpacks channels" },
];
const ALL = [
  ...ORIGIN_NEEDS,
  ...STARTER_NEEDS,
  OPENSSL,
  CHROMIUM,
  ...PROMETHEUS,
  ...TOOLS,
  ...Object.values(NEEDS).flat(),
];

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/**
 * Says what it installs. What cannot be installed is no failure here: the tests that need it skip
 * and say why, or fail where CI=true.
 */
export async function installNeeds(): Promise<void> {
  await satisfy(ALL, say).catch((error: Error) =>
    say(`${error.message}\nTests that need them skip.`),
  );
}
