import type { DescMethodUnary, Message } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import type { Logger } from "pino";
import type { Answer, Call, Peer } from "../call/call.ts";
import { TokenError } from "../errors.ts";
import { BodyBytes } from "./body-bytes.ts";
import { CallStop } from "./call-stop.ts";
import { unaryTimeout } from "./deadline.ts";
import { frameAnswer } from "./encode-answer.ts";
import { explainFailure } from "./error-details.ts";
import { errorHeaders, OK_TRAILERS, okHeaders } from "./grpc-answer.ts";
import { openFrame, unreadable } from "./grpc-frame.ts";
import { ErrorCode } from "./http2/frames.ts";
import type { Http2Stream, StreamListener } from "./http2/stream.ts";
import type { Endable, InFlight } from "./in-flight.ts";
import type { Limits } from "./limits.ts";
import { refuseRequest } from "./refuse-request.ts";
import { decodeBinary } from "./unary-body.ts";

export interface LaneMethod {
  readonly method: DescMethodUnary;
  /** The largest message that it takes. */
  readonly maxBytes: number;
}

/** What all calls of a server share. */
export interface LaneMeans {
  readonly call: Call;
  readonly limits: Limits;
  readonly inFlight: InFlight;
  readonly log: Logger;
}

/** One unary gRPC call: collects the message, runs it through the pipeline, and sends the message or the error that comes of it. */
export class UnaryCall implements StreamListener, Endable {
  place = -1;
  deadline = Number.POSITIVE_INFINITY;
  readonly #stream: Http2Stream;
  readonly #method: LaneMethod;
  readonly #peer: Peer;
  readonly #contentType: string;
  readonly #means: LaneMeans;
  readonly #body: BodyBytes;
  readonly #stop = new CallStop();
  #state: "reading" | "running" | "answered" = "reading";

  constructor(stream: Http2Stream, method: LaneMethod, peer: Peer, contentType: string, means: LaneMeans) {
    this.#stream = stream;
    this.#method = method;
    this.#peer = peer;
    this.#contentType = contentType;
    this.#means = means;
    this.#body = new BodyBytes({ maxBytes: method.maxBytes, framed: true });
  }

  /** @param timeout as `readTimeout` answers it */
  begin(timeout: number | undefined): void {
    const { inFlight, limits } = this.#means;
    inFlight.add(this, unaryTimeout(timeout, limits));
    this.#read(() => {
      if (Number.isNaN(timeout)) throw unreadable("the timeout can't be read");
      this.#body.expect(this.#stream.head.value("content-length"));
    });
  }

  onData(bytes: Buffer): void {
    this.#stream.grant(bytes.length);
    this.#read(() => this.#body.add(bytes));
  }

  onEnd(): void {
    this.#read(() => {
      const message = decodeBinary(this.#method.method.input, openFrame(this.#body.join(), this.#method.maxBytes));
      this.#run(message);
    });
  }

  onClose(): void {
    this.#means.inFlight.delete(this);
    if (this.#state !== "answered") this.end(new TokenError("CANCELLED", "the caller left"));
  }

  end(reason: TokenError): void {
    // Nobody fetches the answer.
    if (this.#state === "answered") this.#stream.reset(ErrorCode.CANCEL);
    else if (this.#state === "running") this.#stop.abort(reason);
    else this.#refuse(reason);
  }

  /** Takes a step of reading the request, unless it is refused already. */
  #read(step: () => void): void {
    if (this.#state !== "reading") return;
    try {
      step();
    } catch (error) {
      this.#refuse(error);
    }
  }

  #run(message: Message): void {
    this.#state = "running";
    const { call, log } = this.#means;
    const { method } = this.#method;
    const request = { method, message, metadata: this.#stream.head, peer: this.#peer, signal: this.#stop };
    call(request).then(
      (answer) => this.#sendAnswer(answer),
      (error: unknown) => this.#sendError(explainFailure(error, method, log)),
    );
  }

  #refuse(error: unknown): void {
    const about = { method: this.#method.method.name, address: this.#peer.address };
    this.#sendError(refuseRequest(error, about, this.#means.log));
  }

  #sendAnswer(answer: Answer): void {
    const { method } = this.#method;
    let frame: Buffer;
    try {
      frame = frameAnswer(method, answer);
    } catch (error) {
      this.#sendError(explainFailure(error, method, this.#means.log));
      return;
    }
    this.#state = "answered";
    this.#stream.respond(okHeaders(this.#contentType));
    this.#stream.send(frame);
    this.#stream.finish(OK_TRAILERS);
  }

  #sendError(error: ConnectError): void {
    this.#state = "answered";
    this.#stream.respond(errorHeaders(this.#contentType, error), true);
  }
}
