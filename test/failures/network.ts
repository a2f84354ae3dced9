import { setTimeout } from "node:timers/promises";
import type { TcpProxy } from "../support/proxy.ts";

/** Cuts all connections again and again, when what was sent last has arrived and its answer has not. */
export async function cutTwentyTimes(proxies: readonly TcpProxy[]): Promise<void> {
  for (let count = 0; count < 20; count++) {
    await setTimeout(80);
    for (const proxy of proxies) proxy.swallowAnswers();
    await setTimeout(20);
    for (const proxy of proxies) proxy.cut();
    for (const proxy of proxies) proxy.passAnswers();
  }
}

/** Has all that is sent arrive later, each way. 0 milliseconds is as it was. */
export function delayAll(proxies: readonly TcpProxy[], milliseconds: number): void {
  for (const proxy of proxies) proxy.delay(milliseconds);
}
