import { withFirn, seconds } from "./firn.ts";
import { pullImage, pullManifest } from "../harness/registry-client.ts";
for (let i = 0; i < 3; i++)
  await withFirn({ originEnv: { LOG_LEVEL: "debug" } }, async (firn) => {
    const t = Date.now();
    console.log("manifest", await seconds(() => pullManifest(firn.url, "shell")), "t0", t);
    console.log("pull", await seconds(() => pullImage(firn.url, "shell")));
    console.log(
      "next manifest",
      await seconds(() => pullManifest(firn.url, "shell/git/curl/python3")),
    );
    console.log("next", await seconds(() => pullImage(firn.url, "shell/git/curl/python3")));
    if (i === 2)
      console.log(
        firn
          .log()
          .split("\n")
          .filter((l) => /layer made|job/.test(l))
          .map((l) => l.slice(0, 300))
          .join("\n"),
      );
  });
