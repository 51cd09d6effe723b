/** An address where there is nothing. */
export function NotFound({ path }: { readonly path: string }) {
  return (
    <>
      <h1>There is nothing here</h1>
      <p class="lede">
        <code class="break">{path}</code> is no page of this registry, and no image’s name.
      </p>
      <p>
        <a class="look" href="/">
          Compose an image
        </a>
      </p>
    </>
  );
}
