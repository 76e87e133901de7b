// The client of the HTTP API, for services without a connection.
import { Denied, HttpFailed, RequestFailed } from "./errors.js";
import { hasBinary } from "./events.js";

export class Fallback {
  #url;
  #headers;
  #source;
  #timeout;

  constructor(url, key, source, timeout) {
    this.#url = url;
    this.#headers = { "content-type": "application/json" };
    if (key !== undefined) {
      this.#headers.authorization = `Bearer ${key}`;
    }
    this.#source = source;
    this.#timeout = timeout;
  }

  async carryOut(op, body) {
    if (hasBinary(body)) {
      throw new HttpFailed("the HTTP API carries JSON, and no binary data");
    }
    const answer = await this.#ask("POST", `/api/${op}`, JSON.stringify({ ...body, source: this.#source }));
    return typeof answer.reached === "number" ? answer.reached : 0;
  }

  async request(request, timeout) {
    if (hasBinary(request)) {
      throw new HttpFailed("the HTTP API carries JSON, and no binary data");
    }
    const body = JSON.stringify({ ...request, source: this.#source });
    return (await this.#ask("POST", "/api/request", body, timeout)).answer;
  }

  /** Rejects unless the bus is reachable over HTTP and accepts the key. */
  async isThere() {
    await this.#ask("GET", "/api/ready");
  }

  async #ask(method, path, body, timeout = this.#timeout) {
    const signal = AbortSignal.timeout(timeout);
    let status, text;
    try {
      const response = await fetch(this.#url + path, { method, body, signal, headers: this.#headers, redirect: "error" });
      status = response.status;
      text = await response.text();
    } catch (cause) {
      const reason = signal.aborted ? "the bus did not answer in time" : "the bus cannot be reached";
      throw new HttpFailed(reason, undefined, { cause });
    }
    let answer;
    try {
      answer = JSON.parse(text);
    } catch {
      // A response that is not JSON carries no information besides its status.
    }
    if (status >= 200 && status < 300) {
      return answer ?? {};
    }
    const reason = String(answer?.error?.message ?? "");
    if (path === "/api/request" && status !== 401 && answer?.error?.code !== undefined) {
      throw new RequestFailed(reason, answer.error.code);
    }
    throw status === 401 ? new Denied(reason) : new HttpFailed(`the bus answered ${status}: ${reason}`, status);
  }
}
