import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { InactiveReason, type IntrospectResponseSchema, type TokenService } from "#gen/latchkey/v1/token_service_pb.ts";
import type { Caller } from "../domain/caller.ts";
import type { Context, StopSignal } from "../domain/context.ts";
import { exchangeToken } from "../domain/exchange.ts";
import { introspect, introspectAll, type Verdict } from "../domain/introspect.ts";
import { issueToken } from "../domain/issue.ts";
import { listTokens } from "../domain/list.ts";
import { findToken } from "../domain/lookup.ts";
import { deleteToken, deleteTokens } from "../domain/revoke.ts";
import { rotateToken } from "../domain/rotate.ts";
import { setActive } from "../domain/set-active.ts";
import { updateToken } from "../domain/update.ts";
import { toChanges, toExchangeWish, toHandle, toListQuery, toNewToken, toRevocation, toRotation } from "./requests.ts";
import { toTokenMessage } from "./token-message.ts";

type Methods = (typeof TokenService)["method"];

/** What a service does: for each method a function of the caller and the request. */
export type Handlers = {
  readonly [M in keyof Methods]: (
    caller: Caller,
    request: MessageShape<Methods[M]["input"]>,
    signal: StopSignal,
  ) => Promise<MessageInitShape<Methods[M]["output"]>>;
};

/**
 * The TokenService: each method converts the request, calls the domain and converts the answer.
 *
 * @param lasting the context for methods that acknowledge a change: all that their answers rest on is there to stay.
 */
export function createTokenService(context: Context, lasting: Context = context): Handlers {
  const show = (token: Parameters<typeof toTokenMessage>[0]) => toTokenMessage(token, context.clock());

  return {
    async create(caller, request) {
      const { token, secret } = await issueToken(lasting, caller, toNewToken(request));
      return { token: show(token), secret, existing: secret === "" };
    },

    async list(caller, request, signal) {
      const { tokens, nextPageToken } = await listTokens(context, caller, toListQuery(request), signal);
      return { tokens: tokens.map(show), nextPageToken };
    },

    async get(caller, request) {
      return { token: show(await findToken(context, caller, toHandle(request))) };
    },

    async update(caller, request, signal) {
      const changes = toChanges(request);
      return { token: show(await updateToken(lasting, caller, toHandle(request), changes, request.etag, signal)) };
    },

    async setActive(caller, request, signal) {
      return { token: show(await setActive(lasting, caller, toHandle(request), request.active, signal)) };
    },

    async rotate(caller, request, signal) {
      const { token, secret } = await rotateToken(lasting, caller, toRotation(request), signal);
      return { token: show(token), secret };
    },

    async exchange(_caller, request, signal) {
      const { token, ...secrets } = await exchangeToken(lasting, toExchangeWish(request), signal);
      return { token: show(token), ...secrets };
    },

    async delete(caller, request) {
      return { deletedCount: BigInt(await deleteToken(lasting, caller, toHandle(request))) };
    },

    async deleteAll(caller, request, signal) {
      return { deletedCount: BigInt(await deleteTokens(lasting, caller, toRevocation(request), signal)) };
    },

    async introspect(caller, request, signal) {
      return toVerdictMessage(await introspect(context, caller, request, signal));
    },

    async batchIntrospect(caller, request, signal) {
      const verdicts = await introspectAll(context, caller, request.requests, signal);
      return { responses: verdicts.map(toVerdictMessage) };
    },
  };

  function toVerdictMessage(verdict: Verdict): MessageInitShape<typeof IntrospectResponseSchema> {
    return verdict.active
      ? { active: true, token: show(verdict.token) }
      : { active: false, reason: InactiveReason[verdict.reason] };
  }
}
