"""HPACK by python3-hpack: one JSON order a line, one JSON answer a line. Each connection has a table in both directions."""

import json
import sys

from hpack import Decoder, Encoder

encoder = Encoder()
decoder = Decoder(max_header_list_size=1 << 24)

for line in sys.stdin:
    order = json.loads(line)
    if "limit" in order:
        encoder.header_table_size = order["limit"]
    if "encode" in order:
        fields = [(n.encode("latin-1"), v.encode("latin-1"), bool(secret)) for n, v, secret in order["encode"]]
        answer = encoder.encode(fields, huffman=order["huffman"]).hex()
    else:
        fields = decoder.decode(bytes.fromhex(order["decode"]), raw=True)
        answer = [[n.decode("latin-1"), v.decode("latin-1")] for n, v in fields]
    print(json.dumps(answer), flush=True)
