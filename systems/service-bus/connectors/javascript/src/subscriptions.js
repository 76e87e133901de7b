// The subscriptions of a service, which are made again after each reconnect.
import { Refused, Unanswered } from "./errors.js";

export class Subscriptions {
  #name;
  #socket;
  #timeout;
  #byName = new Map();
  /** Handler of dropped events. */
  dropped;

  constructor(name, socket, timeout) {
    this.#name = name;
    this.#socket = socket;
    this.#timeout = timeout;
    socket.on("bus:event", async ({ subscription, event }, answer) => {
      const known = this.#byName.get(subscription);
      if (known === undefined) {
        answer({ error: "there is no such subscription" });
        return;
      }
      // The next event waits for the end of the handler.
      known.last = known.last.then(async () => {
        try {
          await known.handler(event);
        } catch (error) {
          console.error(`${this.#name}: the handler of ${subscription} failed`, error);
        }
        answer({ success: true });
      });
    });
    socket.on("bus:dropped", async ({ subscription, count }, answer) => {
      await this.#tell(subscription, count);
      answer({ success: true });
    });
  }

  add(name, types, handler) {
    this.#byName.set(name, { types, handler, last: Promise.resolve(), isKnown: false });
  }

  remove(name) {
    this.#byName.delete(name);
  }

  async restore() {
    for (const name of this.#byName.keys()) {
      try {
        await this.subscribe(name);
      } catch (error) {
        console.error(`${this.#name}: the subscription ${name} was not made again`, error);
      }
    }
  }

  async subscribe(name) {
    const known = this.#byName.get(name);
    const answer = await this.ask("subscribe", { subscription: name, types: known.types });
    const isLost = known.isKnown && answer.is_new;
    known.isKnown = true;
    if (isLost) {
      await this.#tell(name, undefined);
    }
  }

  async ask(op, body) {
    let answer;
    try {
      answer = await this.#socket.timeout(this.#timeout).emitWithAck(op, body);
    } catch (cause) {
      throw new Unanswered("the bus did not answer", { cause });
    }
    if (answer?.error !== undefined) {
      throw new Refused(String(answer.error));
    }
    return answer;
  }

  async #tell(subscription, count) {
    try {
      if (this.dropped === undefined) {
        console.error(`${this.#name}: the bus has dropped events of ${subscription}`, count);
      } else {
        await this.dropped({ subscription, count });
      }
    } catch (error) {
      console.error(`${this.#name}: the handler of dropped events failed`, error);
    }
  }
}
