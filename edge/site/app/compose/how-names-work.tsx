/** What the parts of an image's name mean, by examples. */
export function HowNamesWork() {
  return (
    <section class="explained">
      <h2>How names work</h2>
      <dl>
        <div>
          <dt>
            <code>git/curl</code>
          </dt>
          <dd>An image of these packages, in any order. CA certificates are always included.</dd>
        </div>
        <div>
          <dt>
            <code>shell/git</code>
          </dt>
          <dd>With bash, coreutils and an editor. The image starts bash.</dd>
        </div>
        <div>
          <dt>
            <code>python3packages.flask</code>
          </dt>
          <dd>A package of a nested set: Nix’s name for it, in lower case.</dd>
        </div>
        <div>
          <dt>
            <code>arm64/git</code>
          </dt>
          <dd>Pins the platform. Otherwise every machine gets the image for its own.</dd>
        </div>
        <div>
          <dt>
            <code>git:TAG</code>
          </dt>
          <dd>
            From another state of the package set: a channel or branch, a date, or a revision of 40
            digits, which always means the same image.
          </dd>
        </div>
        <div>
          <dt>Built once</dt>
          <dd>
            A package is built when somebody first asks for it, on the operator’s own machines.
            Images share layers, so you download each of them only once.
          </dd>
        </div>
      </dl>
    </section>
  );
}
