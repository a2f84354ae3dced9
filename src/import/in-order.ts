/**
 * Works on items as they come, on up to `limit` of them at once, and answers them with their results in the order of the items. After
 * a failure, or when nobody asks for more, it takes no further items, and ends once none is worked on any more.
 */
export async function* inOrder<T, R>(
  items: AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<readonly [T, R]> {
  const underWay: Promise<readonly [T, R]>[] = [];
  try {
    for await (const item of items) {
      const result = work(item).then((result) => [item, result] as const);
      // Whoever waits for it sees the failure; until then it is not one that nobody handles.
      result.catch(() => {});
      underWay.push(result);
      if (underWay.length >= limit) yield (await underWay.shift()) as readonly [T, R];
    }
    while (underWay.length > 0) yield (await underWay.shift()) as readonly [T, R];
  } finally {
    await Promise.allSettled(underWay);
  }
}
