import { connectRedis } from "../../candidates/environment.ts";
import { answerWith, fillOrder } from "../../candidates/fill-order.ts";
import { inParallel, isGone, subjectName, writeKeys } from "../../tokens/fill.ts";
import { createAuth } from "./auth.ts";

const DAY = 86_400;

const { count, path } = fillOrder();
const redis = connectRedis();
const auth = createAuth(redis);

const keys = await inParallel(count, 256, async (index) => {
  const { id, key } = await auth.api.createApiKey({
    body: { userId: subjectName(index % (count / 10)), expiresIn: 90 * DAY },
  });
  // Deleting one needs a session of its owner, so another key that nobody has made stands for it.
  return { key: isGone(index) ? [...key].reverse().join("") : key, proof: id, isGood: !isGone(index) };
});
answerWith(writeKeys(path, keys));
redis.disconnect();
