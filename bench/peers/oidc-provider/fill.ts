import { connectRedis } from "../../candidates/environment.ts";
import { answerWith, fillOrder } from "../../candidates/fill-order.ts";
import { OIDC_CLIENT } from "../../candidates/oidc-client.ts";
import { inParallel, isGone, subjectOf, writeKeys } from "../../tokens/fill.ts";
import { createProvider } from "./provider.ts";

const { count, path } = fillOrder();
const redis = connectRedis();
const provider = createProvider(redis);
const client = await provider.Client.find(OIDC_CLIENT.id);
if (!client) throw new Error("the client is not there");

// Opaque tokens without a grant: the provider looks up no grant then, which costs it one GET less.
const keys = await inParallel(count, 256, async (index) => {
  const accountId = subjectOf(index);
  const token = new provider.AccessToken({ accountId, client, scope: "repo:read" });
  const key = await token.save();
  if (isGone(index)) await token.destroy();
  return { key, proof: accountId, isGood: !isGone(index) };
});
answerWith(writeKeys(path, keys));
redis.disconnect();
