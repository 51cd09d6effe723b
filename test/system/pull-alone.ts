/**
 * Starts a Firn of its own, pulls one image and prints it as JSON: a program, so that
 * own-store.test.ts can run it where /nix is another one. Arguments: package set, variables for the
 * origin as JSON, image.
 */
import { startFirn } from "../harness/firn.ts";
import { pullImage } from "../harness/registry-client.ts";

const [packageSet = "", originEnv = "{}", image = ""] = process.argv.slice(2);
const firn = await startFirn({
  packageSet,
  originEnv: JSON.parse(originEnv) as Record<string, string>,
});
try {
  const { digest, manifest } = await pullImage(firn.url, image);
  console.log(JSON.stringify({ digest, manifest }));
} catch (error) {
  console.error(firn.log());
  throw error;
} finally {
  await firn.stop();
}
