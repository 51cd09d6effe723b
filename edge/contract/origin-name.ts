/** Names of origins, and of their owners: in tokens, records and logs. */
export const ORIGIN_NAME_PATTERN = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/;
export const ORIGIN_NAME_RULE =
  "at most 63 letters, digits, . _ and -, beginning with a letter or digit";
