import { createHeader, type Header } from "./header.ts";

/** The headers that both ends know from the beginning (RFC 7541, appendix A); the first one has number 1. */
export const STATIC_TABLE: readonly Header[] = [
  createHeader(":authority", ""),
  createHeader(":method", "GET"),
  createHeader(":method", "POST"),
  createHeader(":path", "/"),
  createHeader(":path", "/index.html"),
  createHeader(":scheme", "http"),
  createHeader(":scheme", "https"),
  ...["200", "204", "206", "304", "400", "404", "500"].map((status) => createHeader(":status", status)),
  createHeader("accept-charset", ""),
  createHeader("accept-encoding", "gzip, deflate"),
  ...(
    "accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control " +
    "content-disposition content-encoding content-language content-length content-location content-range content-type " +
    "cookie date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since " +
    "last-modified link location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after " +
    "server set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate"
  )
    .split(" ")
    .map((name) => createHeader(name, "")),
];
