/** The workerd package has no types of its own. */
declare module "workerd" {
  /** Path of the program. */
  const exports: { readonly default: string };
  export default exports;
}
