import { deflateRawSync } from "node:zlib";
import { CompactEncrypt } from "jose";
import { expect, test } from "vitest";
import { encode, expectWorthless, type Genuine, issueJwt, type PublicKey, publishedKeys } from "./jwts.ts";
import { onEachStore, refusalIn } from "./world.ts";

const withHeader = (header: string, { claims, signature }: Genuine) => `${header}.${encode(claims)}.${signature}`;

onEachStore((world) => {
  test("nothing that is encrypted is taken, not even for our own public key", async () => {
    const { jwt } = await issueJwt(world);
    const { kty, crv, x, y } = (await publishedKeys(world)).find((key) => key.kty === "EC") as Required<PublicKey>;
    const jwe = await new CompactEncrypt(Buffer.from(jwt))
      .setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM", cty: "JWT" })
      .encrypt({ kty, crv, x, y });
    expect(jwe.split(".")).toHaveLength(5);
    await expectWorthless(world, jwe, "MALFORMED");
    const zipped = encode({ alg: "dir", enc: "A256GCM", zip: "DEF" });
    await expectWorthless(world, `${zipped}..AAAA.${"A".repeat(4000)}.AAAA`, "MALFORMED");
    await world.expectServing();
  });

  test("nothing that is compressed is taken apart", async () => {
    const { header, signature } = await issueJwt(world);
    const bomb = deflateRawSync(Buffer.alloc(5_000_000, "a")).toString("base64url");
    const head = encode({ ...header, zip: "DEF" });
    await expectWorthless(world, `${head}.${bomb.slice(0, 7000)}.${signature}`, "SIGNATURE");
    await expectWorthless(world, `${encode({ zip: "DEF" })}.${bomb.slice(0, 7000)}.${signature}`, "UNKNOWN");
    await world.expectServing();
  });

  test("a million dots are refused unread, and 8,000 of them without effort", async () => {
    const tooLong = { secret: ".".repeat(1_000_000) };
    expect(refusalIn(await world.post("Introspect", JSON.stringify(tooLong)))).toBe(
      "resource_exhausted MESSAGE_TOO_LARGE",
    );
    const long = { secret: ".".repeat(8193) };
    expect(refusalIn(await world.post("Introspect", JSON.stringify(long)))).toBe("invalid_argument INVALID_REQUEST");
    const start = performance.now();
    for (const text of [".".repeat(8000), "a.".repeat(4000), "eyJ.".repeat(2000)]) {
      await expectWorthless(world, text, "MALFORMED");
    }
    expect(performance.now() - start).toBeLessThan(5000);
    await world.expectServing();
  });

  test.each<[string, (genuine: Genuine) => string, string]>([
    ["a header of nested lists", (genuine) => withHeader(encode("[".repeat(4000)), genuine), "UNKNOWN"],
    [
      "a header of nested objects beside our key id",
      ({ header, claims, signature }) => {
        const nested = `${'{"a":'.repeat(800)}1${"}".repeat(800)}`;
        return `${encode(`{"alg":"EdDSA","kid":"${header.kid}","x":${nested}}`)}.${encode(claims)}.${signature}`;
      },
      "SIGNATURE",
    ],
    [
      "a payload of nested lists",
      ({ header, signature }) => `${encode(header)}.${encode("[".repeat(4000) + "]".repeat(1000))}.${signature}`,
      "SIGNATURE",
    ],
    [
      "a header of 7 KB",
      (genuine) => withHeader(encode({ ...genuine.header, x: "x".repeat(5000) }), genuine),
      "SIGNATURE",
    ],
    [
      "a header of 7 KB of names",
      (genuine) =>
        withHeader(encode(Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`n${at}`, at]))), genuine),
      "UNKNOWN",
    ],
    [
      "two key ids, of which one is ours",
      (genuine) => withHeader(encode(`{"alg":"EdDSA","kid":"x","kid":"${genuine.header.kid}"}`), genuine),
      "SIGNATURE",
    ],
    [
      "two key ids, of which the last is not ours",
      (genuine) => withHeader(encode(`{"alg":"EdDSA","kid":"${genuine.header.kid}","kid":"x"}`), genuine),
      "UNKNOWN",
    ],
    [
      "two ids in its payload",
      ({ header, claims, signature }) =>
        `${encode(header)}.${encode(`{"jti":"x",${JSON.stringify(claims).slice(1)}`)}.${signature}`,
      "SIGNATURE",
    ],
    [
      "an unencoded payload",
      (genuine) => withHeader(encode({ ...genuine.header, b64: false, crit: ["b64"] }), genuine),
      "SIGNATURE",
    ],
    ["a crit that is empty", (genuine) => withHeader(encode({ ...genuine.header, crit: [] }), genuine), "SIGNATURE"],
    [
      "a crit that is a text",
      (genuine) => withHeader(encode({ ...genuine.header, crit: "exp" }), genuine),
      "SIGNATURE",
    ],
    [
      "an unknown crit",
      (genuine) => withHeader(encode({ ...genuine.header, crit: ["x"], x: 1 }), genuine),
      "SIGNATURE",
    ],
    ["a header that is null", (genuine) => withHeader(encode("null"), genuine), "UNKNOWN"],
    ["a header that is a text", (genuine) => withHeader(encode('"EdDSA"'), genuine), "UNKNOWN"],
    ["a header that is no JSON", (genuine) => withHeader("AAAA", genuine), "UNKNOWN"],
    ["a header that is no UTF-8", (genuine) => withHeader("_____w", genuine), "UNKNOWN"],
    ["a payload that is no JSON", ({ header, signature }) => `${encode(header)}.AAAA.${signature}`, "SIGNATURE"],
    ["a signature of one byte", ({ unsigned }) => `${unsigned}.AA`, "SIGNATURE"],
    ["a signature of one character", ({ unsigned }) => `${unsigned}.A`, "SIGNATURE"],
    ["a signature of 5 KB", ({ unsigned }) => `${unsigned}.${"A".repeat(5000)}`, "SIGNATURE"],
    [
      "the header of another type",
      (genuine) => withHeader(encode({ ...genuine.header, typ: "JWT" }), genuine),
      "SIGNATURE",
    ],
  ])("%s is refused", async (_, change, reason) => {
    const genuine = await issueJwt(world);
    await expectWorthless(world, change(genuine), reason);
    expect(await world.judge(genuine.jwt)).toBe("ACTIVE");
    await world.expectServing();
  });

  test("the signature of one JWT is none of another", async () => {
    const [one, other] = [await issueJwt(world), await issueJwt(world)];
    await expectWorthless(world, `${one.unsigned}.${other.signature}`, "SIGNATURE");
    await expectWorthless(world, `${other.unsigned}.${one.signature}`, "SIGNATURE");
  });

  test("a JWT is what was made, to the letter: white space, padding and other spellings make another text of it", async () => {
    const genuine = await issueJwt(world, { maxUses: 1 });
    const { jwt } = genuine;
    const last = jwt.slice(-1);
    const nextTo = String.fromCharCode(last.charCodeAt(0) + 1);
    const MALFORMED = [
      ...[" ", "\t", "\n", "\r\n", "\0", "\u00a0", "\u200b", "\ufeff"].flatMap((space) => [
        space + jwt,
        jwt + space,
        jwt.replace(".", `${space}.`),
      ]),
      ...["=", "==", ".", "..", "%3D"].map((end) => jwt + end),
      `.${jwt}`,
      `Bearer ${jwt}`,
      `"${jwt}"`,
      jwt.replaceAll(".", "%2E"),
      jwt.replaceAll(".", "\uff0e"),
    ];
    for (const text of MALFORMED) await expectWorthless(world, text, "MALFORMED");
    expect(Buffer.from(genuine.signature, "base64url")).toEqual(
      Buffer.from(genuine.signature.slice(0, -1) + nextTo, "base64url"),
    );
    await expectWorthless(world, jwt.slice(0, -1) + nextTo, "SIGNATURE");
    await expectWorthless(world, `${jwt}A`, "SIGNATURE");
    for (const text of [jwt.toLowerCase(), jwt.toUpperCase()]) await expectWorthless(world, text, "UNKNOWN");
    // None of them has taken the only use.
    expect(await world.judge(jwt)).toBe("ACTIVE");
    expect(await world.judge(jwt)).toBe("EXHAUSTED");
  });
});
