/** The way from a controller to the API server and back, with all that can happen on it. */
import type { HttpRequest, HttpResponse, Transport } from "../../../src/kube/transport.ts";
import type { Clock } from "./clock.ts";
import type { Faults, RequestFault, WatchFault } from "./faults.ts";
import type { Invariants } from "./invariants.ts";
import type { Random } from "./random.ts";
import { refused as answerOf, statusText, type Answer, type Answers } from "./server/answers.ts";
import { Refusal } from "./server/api-server.ts";
import { placeOf } from "./server/kinds.ts";
import type { WatchStream } from "./server/watch-stream.ts";
import type { Trace } from "./trace.ts";
import { deliver, type Delivery } from "./delivery.ts";
import { networkError } from "./network-error.ts";
import { pause, silence } from "./pause.ts";

export interface Way {
  answers: Answers;
  faults: Faults;
  clock: Clock;
  random: Random;
  trace: Trace;
  invariants: Invariants;
  /** Kinds that may not be read. */
  forbidden: readonly string[];
}

/** A client's process: once it is dead, nothing of it reaches the server. */
export interface Client {
  name: string;
  alive: boolean;
  /** The server has done a write for it. */
  onWrite: () => void;
}

/** Seconds after which a client has long given up. */
const LATE_SECONDS = 45;

export function transportOf(way: Way, client: Client): Transport {
  const { clock, faults, random, trace } = way;
  const troubled = (): boolean => clock.seconds < faults.until;
  let count = 0;

  return async (request) => {
    count += 1;
    const id = `${client.name}#${count}`;
    const { method, path, query = {} } = request;
    const isWatch = query["watch"] === "true";
    const hit = troubled() && random.chance(faults.percent / 100);
    const list: readonly string[] = isWatch ? faults.watches : faults.requests;
    const fault = hit && list.length > 0 ? random.pick(list) : undefined;
    trace.add(id, method, path, isWatch ? { from: query["resourceVersion"] } : {}, fault ?? "");
    if (isWatch) return watch(request, fault as WatchFault | undefined);
    return plain(request, fault as RequestFault | undefined, id);
  };

  async function plain(
    request: HttpRequest,
    fault: RequestFault | undefined,
    id: string,
  ): Promise<HttpResponse> {
    const { method, signal } = request;
    const known = way.invariants.knownTo(client);
    switch (fault) {
      case "refused":
        throw networkError("connect ECONNREFUSED");
      case "lost":
        await pause(random.between(0, 5), signal);
        throw networkError("read ECONNRESET");
      case "silent":
        return silence(signal);
      case "late":
        // A Job that starts so late would start on what was true long ago.
        if (!startsJob(request)) {
          setTimeout(() => client.alive && serve(request, known, id), LATE_SECONDS * 1000);
        }
        return silence(signal);
      case "409":
        if (method === "GET") break;
        return failed(409, "Conflict");
      case "410":
        if (method !== "GET") break;
        return failed(410, "Expired");
      case "429":
        return failed(429, "TooManyRequests", { "retry-after": String(random.int(0, 20)) });
      case "500":
        return failed(500, "InternalError");
      case "503":
        return failed(503, "ServiceUnavailable");
      case "page":
        return response({ status: 502, body: "<html>Bad Gateway</html>" }, request);
      case "slow":
        await pause(random.between(0, 14), signal);
        break;
      case "unheard":
      case "mute":
      case "short":
      case "cut":
      case undefined:
        break;
    }
    const answer = serve(request, known, id);
    switch (fault) {
      case "unheard":
        throw networkError("read ECONNRESET");
      case "mute":
        return silence(signal);
      case "slow":
        await pause(random.between(0, 14), signal);
        break;
      default:
        break;
    }
    return response(answer, request, fault);
  }

  /** The server reads a request, does it, and answers. */
  function serve(request: HttpRequest, known: number, id: string): Answer {
    if (!client.alive) throw networkError("the process is dead");
    const { method, path } = request;
    const answer = isForbidden(path)
      ? answerOf(new Refusal(403, "Forbidden", "forbidden: no such right"))
      : way.invariants.served(request, known, () => way.answers.answer(paged(request)));
    trace.add(id, "=", answer.status, method === "GET" ? "" : (request.body ?? ""));
    if (method !== "GET") client.onWrite();
    return answer;
  }

  function isForbidden(path: string): boolean {
    return way.forbidden.includes(placeOf(path)?.type.plural ?? "");
  }

  function paged(request: HttpRequest): HttpRequest {
    const { query } = request;
    if (query?.["limit"] === undefined || !troubled()) return request;
    return { ...request, query: { ...query, limit: String(faults.page) } };
  }

  function response(
    { status, headers = {}, body }: Answer,
    { signal, ...request }: HttpRequest,
    fault?: RequestFault,
  ): HttpResponse {
    if (!client.alive) throw networkError("the process is dead");
    const text = typeof body === "string" ? body : "";
    const bytes = Buffer.from(text);
    const isWhole = fault !== "short" && fault !== "cut";
    async function* read(): AsyncGenerator<Uint8Array> {
      if (signal.aborted) throw signal.reason;
      yield isWhole ? bytes : bytes.subarray(0, bytes.length / 2);
      if (fault === "cut") throw networkError("terminated");
      if (isWhole && status === 200) way.invariants.delivered(client, { signal, ...request }, text);
    }
    return { status, headers, body: read() };
  }

  function failed(
    status: number,
    reason: string,
    headers: Record<string, string> = {},
  ): HttpResponse {
    const body = statusText(status, reason, "a fault");
    async function* read(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(body);
    }
    return { status, headers, body: read() };
  }

  async function watch(request: HttpRequest, fault: WatchFault | undefined): Promise<HttpResponse> {
    const { signal, path } = request;
    switch (fault) {
      case "refused":
        throw networkError("connect ECONNREFUSED");
      case "silent":
        return silence(signal);
      case "410":
        return failed(410, "Expired");
      case "429":
        return failed(429, "TooManyRequests", { "retry-after": String(random.int(0, 20)) });
      case "500":
        return failed(500, "InternalError");
      default:
        break;
    }
    if (!client.alive) throw networkError("the process is dead");
    const answer = way.answers.answer(fault === "repeats" ? earlier(request) : request);
    if (typeof answer.body === "string") return response(answer, request);
    const plural = placeOf(path)?.type.plural ?? "";
    const delivery: Delivery = {
      lagSeconds: random.between(0, faults.lags[plural] ?? 0),
      calmAt: faults.until,
      twicePercent: faults.twicePercent,
      ...(fault !== undefined &&
        fault !== "repeats" && { end: fault, endAfter: random.between(0, 40) }),
    };
    return {
      status: 200,
      headers: {},
      body: deliver(answer.body satisfies WatchStream, delivery, { clock, random, client, signal }),
    };
  }

  /** The same watch from a moment before, as far as the server remembers. */
  function earlier(request: HttpRequest): HttpRequest {
    const { query = {} } = request;
    const asked = Number(query["resourceVersion"]);
    const from = Math.max(asked - random.int(1, 20), way.answers.compactedAt);
    const resourceVersion = String(Math.min(asked, from));
    return { ...request, query: { ...query, resourceVersion } };
  }
}

function startsJob({ method, body }: HttpRequest): boolean {
  return method === "POST" || (method === "PATCH" && body?.includes('"suspend":false') === true);
}
