/** An address where there is nothing. */
export function NotFound({ path }: { readonly path: string }) {
  return (
    <>
      <h1>There is nothing here</h1>
      <p class="lede">
        <code class="break">{path}</code> is neither a page of this registry nor the name of an
        image.
      </p>
      <p>
        <a class="look" href="/">
          Compose an image
        </a>
      </p>
    </>
  );
}
