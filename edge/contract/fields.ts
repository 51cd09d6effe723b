/** Fields that records and messages share, with their limits. */
import * as v from "valibot";
import { type Digest, DIGEST_PATTERN, HEX256_PATTERN } from "./digest.ts";
import { COMPONENT_PATTERN } from "./name-rules.ts";

/**
 * Increased whenever the bytes of layers, records or images from the same inputs change, or the
 * meaning of a record; it is part of every key.
 */
export const RECORD_FORMAT = 6;

/** OCI platforms by Nix system. */
export const PLATFORMS = {
  "x86_64-linux": { os: "linux", architecture: "amd64" },
  "aarch64-linux": { os: "linux", architecture: "arm64" },
} as const;
export type System = keyof typeof PLATFORMS;
/** As clients write it: `linux/arm64`. */
export const platformName = (system: System): string => Object.values(PLATFORMS[system]).join("/");
export const SYSTEMS = Object.keys(PLATFORMS) as [System, ...System[]];

/**
 * Largest layer that a record may name, bytes. R2 takes 5 TiB by multipart upload; what containerd
 * and docker handle is well below that.
 */
export const MAX_BLOB_BYTES = 64 * 2 ** 30;

/**
 * What an issue says, without the value that it is about, which may be secret: the library's own
 * messages end in it, `Invalid type: Expected Object but received "hunter2"`.
 */
export const issueText = ({ message }: v.BaseIssue<unknown>): string =>
  message.replace(/ but received .*$/s, "");

export const DigestSchema = v.custom<Digest>(
  (value) => typeof value === "string" && DIGEST_PATTERN.test(value),
  "a digest is sha256: and 64 lower-case hex digits",
);
/** Key of a layer or an image. */
export const KeySchema = v.pipe(
  v.string(),
  v.regex(HEX256_PATTERN, "a key is 64 lower-case hex digits"),
);
export const BytesSchema = v.pipe(
  v.number(),
  v.integer(),
  v.minValue(0),
  v.maxValue(MAX_BLOB_BYTES),
);
export const ShortTextSchema = v.pipe(v.string(), v.maxLength(1_000));
export const SystemSchema = v.picklist(SYSTEMS);
/**
 * A revision: 40 lower-case hex digits, which are a git commit or the first 160 bits of a content
 * hash.
 */
export const RevisionSchema = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{40}$/, "a revision is 40 lower-case hex digits"),
);
/** Whether a text is a valid revision. */
export const isRevision = (text: string): boolean => v.is(RevisionSchema, text);

/**
 * One component of an image name as the client wrote it: lower case, with `.` between nested
 * attributes.
 */
export const ComponentSchema = v.pipe(
  v.string(),
  v.maxLength(255),
  v.regex(
    COMPONENT_PATTERN,
    "a component is lower-case letters and digits, separated by . _ __ or -",
  ),
);
/** Identity of a layer plan: `none`, or the SHA-256 of the plan's canonical JSON in hex. */
export const PlanIdSchema = v.pipe(
  v.string(),
  v.regex(/^(none|[0-9a-f]{64})$/, "a plan is named none, or by 64 lower-case hex digits"),
);
export const StorePathSchema = v.pipe(
  v.string(),
  v.maxLength(255),
  v.regex(
    /^\/nix\/store\/[0-9a-z]{32}-[0-9a-zA-Z+\-._?=]+$/,
    "a store path is /nix/store/<hash>-<name>",
  ),
);

export const DescriptorSchema = v.strictObject({
  digest: DigestSchema,
  size: BytesSchema,
});
export type Descriptor = v.InferOutput<typeof DescriptorSchema>;

/** Milliseconds since 1970. */
export const TimeSchema = v.pipe(v.number(), v.integer(), v.minValue(0));

/** Names of origins and of their owners, in tokens, records and logs. */
export const ORIGIN_NAME_PATTERN = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/;
export const ORIGIN_NAME_RULE =
  "at most 63 letters, digits, . _ and -, beginning with a letter or digit";
export const OriginNameSchema = v.pipe(v.string(), v.regex(ORIGIN_NAME_PATTERN, ORIGIN_NAME_RULE));
/** Most origins that one record names. */
const MAX_ORIGINS = 1_000;
/** Names of origins that a record rests on: sorted, unique. */
export const OriginNamesSchema = v.pipe(v.array(OriginNameSchema), v.maxLength(MAX_ORIGINS));

/** An Ed25519 signature (RFC 8032), 64 bytes as base64url. */
export const SignatureSchema = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9_-]{86}$/, "a signature is 86 characters of base64url"),
);
/** A signed statement's signer; signatures.ts says what is signed. */
export const VouchSchema = v.strictObject({ origin: OriginNameSchema, signature: SignatureSchema });
export type Vouch = v.InferOutput<typeof VouchSchema>;
/** Most origins that vouch for one record. */
export const MAX_VOUCHES = 16;
export const VouchesSchema = v.pipe(v.array(VouchSchema), v.minLength(1), v.maxLength(MAX_VOUCHES));
