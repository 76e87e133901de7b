// Requests that a service sends and answers.
import { RequestFailed, Unanswered } from "./errors.js";

export class Requests {
  #socket;
  #handlers = new Map();

  constructor(socket) {
    this.#socket = socket;
    socket.on("bus:request", async (event, answer) => {
      const handler = this.#handlers.get(event?.type);
      try {
        if (handler === undefined) {
          throw new Error(`there is no handler of ${event?.type}`);
        }
        answer({ answer: (await handler(event)) ?? null });
      } catch (error) {
        answer({ refused: String(error?.message ?? error) });
      }
    });
  }

  set(type, handler) {
    this.#handlers.set(type, handler);
  }

  async ask(request, timeout) {
    let answer;
    try {
      answer = await this.#socket.timeout(timeout).emitWithAck("request", request);
    } catch (cause) {
      throw new Unanswered("the bus did not answer", { cause });
    }
    if (answer !== null && typeof answer === "object" && "answer" in answer) {
      return answer.answer;
    }
    throw new RequestFailed(answer?.failed?.message ?? String(answer?.error ?? ""), answer?.failed?.code ?? "refused");
  }
}
