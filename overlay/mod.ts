/**
 * The overlay, by which peers will find each other with no tracker. **Today there are only its types.**
 *
 * @module
 */

export { LEFT_GONE, type ProviderRecord, RECORD_TTL_SECONDS } from "./record.ts";
