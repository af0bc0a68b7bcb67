import { REQUEST_BYTES_MAX, TokenBucket } from "@enjambre/peerwire";

/** The buckets that payload is taken from, where it is limited. */
export interface PayloadBuckets {
  /** What may be sent. */
  readonly uploadBucket?: TokenBucket;
  /** What may be asked for. */
  readonly downloadBucket?: TokenBucket;
}

/** Makes the buckets of a torrent, each within that of its session. **Units**: bytes per second. */
export function bucketsWithin(
  session: PayloadBuckets,
  limits: { readonly uploadLimit?: number; readonly downloadLimit?: number },
): PayloadBuckets {
  const uploadBucket = bucketWithin(session.uploadBucket, limits.uploadLimit);
  const downloadBucket = bucketWithin(session.downloadBucket, limits.downloadLimit);
  return {
    ...(uploadBucket !== undefined && { uploadBucket }),
    ...(downloadBucket !== undefined && { downloadBucket }),
  };
}

function bucketWithin(session?: TokenBucket, limit?: number): TokenBucket | undefined {
  return limit === undefined ? session : new TokenBucket(limit, REQUEST_BYTES_MAX, session);
}
