"""A gRPC client that a test drives over standard input: one call a line in JSON, one outcome a line back."""

import base64
import json
import sys

import grpc


def outcome(call):
    try:
        return {"code": 0, "message": "", "answer": base64.b64encode(call()).decode()}
    except grpc.RpcError as error:
        details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
        encoded = base64.b64encode(details).decode()
        return {"code": error.code().value[0], "message": error.details(), "details": encoded}


channel = grpc.insecure_channel(sys.argv[1])
for line in sys.stdin:
    order = json.loads(line)
    method = channel.unary_unary(order["path"])
    request = base64.b64decode(order["request"])
    metadata = [(name, base64.b64decode(value) if name.endswith("-bin") else value) for name, value in order["metadata"]]
    timeout = order["timeout"] / 1000
    print(json.dumps(outcome(lambda: method(request, timeout=timeout, metadata=metadata))), flush=True)
