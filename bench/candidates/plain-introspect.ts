import type { MessageInitShape } from "@bufbuild/protobuf";
import { InactiveReason, type IntrospectResponseSchema } from "../../gen/latchkey/v1/token_service_pb.ts";
import { readKeysFile } from "../../src/config/keys-file.ts";
import { idOfSecret } from "../../src/domain/secret.ts";
import { statusOf, type Token } from "../../src/domain/token.ts";
import { toTokenMessage } from "../../src/service/token-message.ts";
import { decodeRecord } from "../../src/store/record.ts";
import { recordKey } from "../../src/store/redis-keys.ts";
import { connectRedis, keysPath } from "./environment.ts";

type Answer = MessageInitShape<typeof IntrospectResponseSchema>;

/**
 * Introspection as somebody would write it who needs nothing else: one GET of the same record, the same check of the secret,
 * the same answer. No caller is authenticated, no request validated, no use noted.
 */
export function createPlainIntrospect(): (secret: string) => Promise<Answer> {
  const redis = connectRedis();
  const keys = readKeysFile(keysPath());

  const isSecretOf = (token: Token, secret: string): boolean =>
    token.digests.some(({ keyVersion, digest }) => keys.byVersion.get(keyVersion)?.digest.is(digest, secret));

  return async (secret) => {
    const id = idOfSecret(secret);
    if (id === undefined) return { active: false, reason: InactiveReason.MALFORMED };
    const record = await redis.getBuffer(recordKey(id));
    const token = record ? decodeRecord(id, record) : undefined;
    if (!token || !isSecretOf(token, secret)) return { active: false, reason: InactiveReason.UNKNOWN };
    const now = Date.now();
    if (statusOf(token, now) !== "ACTIVE") return { active: false, reason: InactiveReason.INACTIVE };
    return { active: true, token: toTokenMessage(token, now) };
  };
}
